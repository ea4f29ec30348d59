import { AsyncResource } from 'node:async_hooks';
import type { Worker } from 'node:worker_threads';
import type { ProgressEvent } from '../kube/types';
import type { IncomingSubscribed, MethodName, Params, Result } from '../protocol/contract';
import {
  awaitStartSync,
  START_LIMITS,
  StartFailure,
  type StartLimits,
  StartOutcome,
  startAborted,
  startLimit,
} from './await-start';
import { unpackFailure } from './failure';
import type { AppServer, FromWorker, ReadyData, Reply, StartInput, ToWorker, WireOutcome } from './messages';
import { LAST_WORDS, State, Word } from './shared-memory';
import { type SpawnedWorker, spawnWorker } from './spawn-worker';
import type { StartFiles } from './start-files';
import { SYNC_LIMITS, SyncCalls, type SyncLimits, sessionClosed, workerFailed } from './sync-calls';

// An app under fake timers must not stop these, nor its exit wait by a clock that stands still.
const { setTimeout, clearTimeout, setImmediate } = globalThis;
const now = performance.now.bind(performance);

/** Milliseconds between looks at whether an exit still delivers something. */
const LOOK_EVERY = 50;

export interface BridgeOptions {
  /** File of the worker. */
  workerPath: string;
  start: StartInput;
  /** Environment the worker reads its configuration from. */
  env: NodeJS.ProcessEnv;
  onProgress?: (event: ProgressEvent) => void;
  /** The session has ended without close(). */
  onEnded?: (reason: Error) => void;
  startLimits?: StartLimits;
  syncLimits?: SyncLimits;
  /** The worker, where it was started before this code was loaded. */
  spawned?: SpawnedWorker;
}

interface Answer<M extends MethodName> {
  result: Result<M>;
  raw: Uint8Array;
}

/**
 * The app thread's end of the worker: synchronous and asynchronous calls, connects, and the start and end of the session.
 * The worker keeps the process alive only while something is held: a pending call, or what `hold()` counts.
 */
export class Bridge {
  private readonly spawned: SpawnedWorker;
  private readonly worker: Worker;
  private readonly sync: SyncCalls;
  private readonly calls = new Map<number, { what: string; settle: (reply: Reply | Error) => void }>();
  private readonly connects = new Map<number, (outcome: WireOutcome) => void>();
  private readonly outcome: StartOutcome;
  private onStarted: (() => void) | undefined;
  private sequence = 0;
  private holds = 0;
  /** Why nothing can be asked any more. */
  private dead: Error | undefined;
  private toldEnd = false;
  private closing: Promise<void> | undefined;
  private readonly exited: Promise<void>;

  constructor(private readonly options: BridgeOptions) {
    this.spawned = options.spawned ?? spawnWorker(options.workerPath, options.start, options.env);
    this.worker = this.spawned.worker;
    this.outcome = new StartOutcome(this.spawned.replies);
    this.sync = new SyncCalls(this.spawned.memory, this.spawned.replies, options.syncLimits ?? SYNC_LIMITS);
    this.worker.on('message', (message: FromWorker) => this.receive(message));
    this.worker.on('error', (error: unknown) => this.die(workerFailed('its next message', error)));
    this.exited = new Promise((resolve) => {
      this.worker.on('exit', () => {
        this.die(workerFailed('its next message'));
        resolve();
      });
    });
    // A listener for messages holds the event loop again.
    this.worker.unref();
  }

  /** For a start that says that it `sendsFiles`. */
  sendFiles(files: StartFiles | undefined): void {
    this.post({ type: 'files', files });
  }

  /** Blocks until the session is up. Throws StartFailure. */
  startSync(): ReadyData {
    try {
      return awaitStartSync(this.spawned, () => this.post({ type: 'close' }), this.options.startLimits ?? START_LIMITS);
    } catch (error) {
      this.die(error as Error);
      void this.worker.terminate();
      throw error;
    }
  }

  /** Resolves when the session is up. Rejects with StartFailure, also when `signal` aborts. */
  async start(signal?: AbortSignal): Promise<ReadyData> {
    const limits = this.options.startLimits ?? START_LIMITS;
    const { words } = this.spawned.memory;
    const started = now();
    this.hold();
    let timer: NodeJS.Timeout | undefined;
    let abort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        this.onStarted = resolve;
        const giveUp = (failure: () => StartFailure) => {
          clearTimeout(timer);
          this.post({ type: 'close' });
          timer = setTimeout(() => reject(failure()), limits.abandonMs);
        };
        const check = () => {
          const limit = startLimit(words, limits);
          if (now() - started < limit) timer = setTimeout(check, 250);
          else giveUp(() => this.outcome.timedOut(limit));
        };
        abort = () => giveUp(() => new StartFailure(startAborted(), undefined));
        check();
        signal?.addEventListener('abort', abort, { once: true });
        if (signal?.aborted) abort();
        if (this.dead) resolve();
      });
      const ready = this.outcome.take();
      if (!ready) throw new StartFailure(this.dead ?? workerFailed(this.outcome.step), undefined);
      if (!signal?.aborted) return ready;
      // The session was up at that very moment: it ends in order.
      await this.close();
      throw new StartFailure(startAborted(), undefined);
    } catch (error) {
      this.die(error as Error);
      void this.worker.terminate();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.onStarted = undefined;
      this.release();
    }
  }

  /** Rejects with WireFailure (what the agent says) or MirrordError (what happened to the link). */
  async call<M extends MethodName>(method: M, params: Params<M>): Promise<Answer<M>> {
    if (this.dead) throw this.dead;
    const id = this.nextId();
    this.hold();
    const reply = new Promise<Reply | Error>((settle) => this.calls.set(id, { what: method, settle }));
    try {
      this.post({ type: 'call', id, sync: false, method, params });
      return open<M>(await reply);
    } finally {
      this.calls.delete(id);
      this.release();
    }
  }

  /** Blocks the thread. Throws as `call` rejects, and SYNC_CALL_TIMEOUT. */
  callSync<M extends MethodName>(method: M, params: Params<M>): Answer<M> {
    if (this.dead) throw this.dead;
    const reply = this.sync.run(
      method,
      (id) => this.post({ type: 'call', id, sync: true, method, params }),
      (value) => this.post({ type: 'probe', value }),
    );
    return open<M>(reply);
  }

  /**
   * Tells of a server of the app, and blocks the thread until the agent has subscribed to its port. Throws as `callSync`
   * does; after a time-out the worker goes on, so it has to be told of the end in any case.
   */
  listenSync(server: AppServer, limitMs: number): IncomingSubscribed {
    if (this.dead) throw this.dead;
    const reply = this.sync.run(
      `port ${server.subscription.port} of the pod`,
      (id) => this.post({ type: 'listen', id, server }),
      (value) => this.post({ type: 'probe', value }),
      limitMs,
    );
    return open<'incoming.subscribe'>(reply).result;
  }

  /** The server of that key does not listen any more. */
  unlisten(key: number): void {
    if (!this.dead) this.post({ type: 'unlisten', key });
  }

  /**
   * Asks for a connection from the pod; `done` runs once, from the event loop, in the caller's async context. Holds nothing:
   * whether a connect keeps the process alive depends on the handle, which the caller knows.
   */
  connect(
    { address: host, port, localAddress }: { address: string; port: number; localAddress?: string },
    done: (outcome: WireOutcome) => void,
  ): { id: number; abort(): void } {
    const id = this.nextId();
    const resource = new AsyncResource('MIRRORD_CONNECT', { requireManualDestroy: true });
    this.connects.set(id, (outcome) => {
      this.connects.delete(id);
      resource.runInAsyncScope(done, null, outcome);
      resource.emitDestroy();
    });
    if (this.dead) setImmediate(() => this.connects.get(id)?.({ ok: false, code: 'ECONNRESET' }));
    else this.post({ type: 'connect', id, host, port, localAddress });
    const abort = () => {
      if (this.connects.delete(id)) resource.emitDestroy();
      this.post({ type: 'abort', id });
    };
    return { id, abort };
  }

  announce(id: number, sourcePort: number, sourceAddress: string): void {
    this.post({ type: 'announce', id, sourcePort, sourceAddress });
  }

  hold(): void {
    this.holds += 1;
    if (this.holds === 1) this.worker.ref();
  }

  release(): void {
    this.holds -= 1;
    if (this.holds === 0) this.worker.unref();
  }

  /** Ends the session: says goodbye to the agent, removes the control socket, stops the worker. */
  close(limitMs = 3_000): Promise<void> {
    this.closing ??= (async () => {
      if (this.dead) return;
      this.dead = sessionClosed('another call');
      this.post({ type: 'close' });
      this.hold();
      const timer = setTimeout(() => void this.worker.terminate(), limitMs);
      await this.exited;
      clearTimeout(timer);
      this.release();
    })();
    return this.closing;
  }

  /** The same with the thread blocked, for a process that exits; what is not done in time is left to the agent. */
  closeSync(limitMs: number): void {
    if (this.dead) return;
    this.dead = sessionClosed('another call');
    const { words } = this.spawned.memory;
    // Before the worker knows: it may count its first step before this thread looks.
    let seen = Atomics.load(words, Word.lastWords);
    this.post({ type: 'close', hurry: true });
    const last = now() + limitMs + LAST_WORDS.limitMs + LAST_WORDS.stallMs;
    let until = now() + limitMs;
    for (;;) {
      const progress = Atomics.load(words, Word.lastWords);
      // The worker gives up before this thread does, and says how it ended.
      if (progress !== seen) until = Math.min(last, now() + limitMs + LAST_WORDS.stallMs);
      seen = progress;
      const state = Atomics.load(words, Word.state);
      const left = until - now();
      if (state >= State.failed || left <= 0) return;
      Atomics.wait(words, Word.state, state, Math.min(left, LOOK_EVERY));
    }
  }

  private receive(message: FromWorker): void {
    if (message.type === 'reply') this.calls.get(message.id)?.settle(message.reply);
    else if (message.type === 'connected') this.connects.get(message.id)?.(message.outcome);
    else if (message.type === 'progress') this.options.onProgress?.(message.event);
    else if (message.type === 'started') this.onStarted?.();
    else if (message.type === 'ended') this.tellEnd(unpackFailure(message.reason));
  }

  private die(error: Error): void {
    // Neither closed nor failed to start: the app should hear of it, once.
    const unexpected = this.dead === undefined && this.onStarted === undefined;
    this.dead ??= error instanceof StartFailure ? error.cause : error;
    if (unexpected && !(error instanceof StartFailure)) this.tellEnd(this.dead);
    this.onStarted?.();
    for (const { settle } of [...this.calls.values()]) settle(this.dead);
    for (const done of [...this.connects.values()]) done({ ok: false, code: 'ECONNRESET' });
  }

  private tellEnd(reason: Error): void {
    if (this.toldEnd) return;
    this.toldEnd = true;
    this.options.onEnded?.(reason);
  }

  private nextId(): number {
    this.sequence += 1;
    return this.sequence;
  }

  private post(message: ToWorker): void {
    this.worker.postMessage(message);
  }
}

function open<M extends MethodName>(reply: Reply | Error): Answer<M> {
  if (reply instanceof Error) throw reply;
  if (!reply.ok) throw unpackFailure(reply.failure);
  return { result: reply.result as Result<M>, raw: reply.raw };
}
