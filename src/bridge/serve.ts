import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { MirrordError } from '../errors';
import type { IncomingSubscribed, MethodName, Params } from '../protocol/contract';
import type { AgentLink } from '../protocol/session-types';
import { startAborted } from './await-start';
import type { Boot, Booted } from './boot';
import { packFailure } from './failure';
import { IncomingTraffic } from './incoming/incoming-traffic';
import type { FromWorker, OnReplyPort, Reply, ToWorker, WorkerInput } from './messages';
import { progressLines } from './progress-lines';
import { type Relay, startRelay } from './relay';
import { LAST_WORDS, publish, State, viewSharedMemory, Word } from './shared-memory';
import type { StartFiles } from './start-files';
import { workerFailed } from './sync-calls';
import { postReply, replySync } from './sync-replies';

/** Milliseconds a goodbye to the agent may take before the worker ends without it. */
const CLOSE_LIMIT = 1_000;
/** The same when the process exits: enough for the bytes to leave, too short to be felt. */
const HURRIED_CLOSE_LIMIT = 30;

/**
 * The worker's main loop: starts the session with `boot`, then serves the app's thread until `close`.
 *
 * While a synchronous call is served, the app's thread may hold all threads of libuv's pool: nothing here or below may use
 * `dns.lookup`, asynchronous `fs`, `zlib` or asynchronous `crypto` after the start.
 */
export function serveBridge(boot: (start: WorkerInput['start']) => Boot): void {
  const input = workerData as WorkerInput;
  const port = parentPort!;
  const memory = viewSharedMemory(input.memory);
  const { words } = memory;
  const stop = new AbortController();
  const lines = progressLines(input.start.progress);
  let onFailure: 'exit' | 'continue' | undefined;
  let booted: Booted | undefined;
  let closing = false;
  let relay: Relay | undefined;
  const incoming = new IncomingTraffic();
  let takeFiles: (files: StartFiles | undefined) => void = () => {};
  const files = new Promise<StartFiles | undefined>((resolve) => {
    takeFiles = resolve;
  });

  const post = (message: FromWorker) => port.postMessage(message);
  const postOutcome = (message: OnReplyPort) => input.replies.postMessage(message);

  function settle(state: number, outcome: OnReplyPort): void {
    postOutcome(outcome);
    publish(words, Word.state, state);
    post({ type: 'started' });
  }

  /** Nothing works any more: whoever waits must learn it, by the state word if blocked and by the exit event if not. */
  function fail(error: unknown): void {
    if (Atomics.load(words, Word.state) <= State.loaded) {
      settle(State.failed, { type: 'failed', failure: packFailure(error), onFailure });
    } else {
      post({ type: 'ended', reason: packFailure(workerFailed('the session', error)) });
      publish(words, Word.state, State.failed);
    }
    Atomics.notify(words, Word.replied);
    setImmediate(() => process.exit(1));
  }

  async function run(): Promise<void> {
    try {
      booted = await boot(input.start)({
        env: process.env,
        cwd: input.start.cwd,
        signal: stop.signal,
        files: input.start.role === 'owner' && input.start.sendsFiles ? files : undefined,
        progress(event) {
          // Of a start only: afterwards whatever lies on the reply port is taken for a reply.
          if (Atomics.load(words, Word.state) <= State.loaded) postOutcome({ type: 'step', text: event.text });
          if (input.start.progress === 'events') post({ type: 'progress', event });
          else lines(event);
        },
        onConfig(known) {
          onFailure = known.onFailure;
          Atomics.store(words, Word.startLimit, known.startLimitMs);
        },
      });
      const link = booted.link;
      incoming.use(link);
      relay = await startRelay({
        link: () => link,
        report: (id, outcome) => post({ type: 'connected', id, outcome }),
        catchUp: receiveAll,
      });
      if (stop.signal.aborted) return await close();
      settle(State.ready, { type: 'ready', ready: { ...booted.ready, relayPort: relay.port } });
      void link.closed.then((reason) => reason && post({ type: 'ended', reason: packFailure(reason) }));
    } catch (error) {
      fail(error);
    }
  }

  /** What the app has written before it exits is delivered, as the system does for sockets of a process that has ended. */
  async function closeHurriedly(): Promise<void> {
    receiveAll();
    const onProgress = () => void Atomics.add(words, Word.lastWords, 1);
    const outcome = await relay?.finish({ ...LAST_WORDS, onProgress });
    // Where there was much to say it fills the way to the agent: its own goodbye proves that it has it all.
    const isMuch = outcome === 'after a while';
    if (isMuch) onProgress();
    await close(isMuch ? CLOSE_LIMIT : HURRIED_CLOSE_LIMIT);
  }

  async function close(limitMs = CLOSE_LIMIT): Promise<void> {
    if (closing) return;
    closing = true;
    relay?.close();
    incoming.close();
    const timer = setTimeout(finish, limitMs);
    await Promise.allSettled([booted?.link.close(), booted?.close(limitMs / 2)]);
    clearTimeout(timer);
    finish();
  }

  function finish(): void {
    if (Atomics.load(words, Word.state) <= State.loaded) {
      settle(State.failed, { type: 'failed', failure: packFailure(startAborted()), onFailure });
    } else publish(words, Word.state, State.closed);
    Atomics.notify(words, Word.replied);
    process.exit(0);
  }

  function receive(message: ToWorker): void {
    if (message.type === 'call') void answer(message);
    else if (message.type === 'connect') relay?.connect(message.id, message);
    else if (message.type === 'announce') relay?.announce(message.id, message.sourcePort, message.sourceAddress);
    else if (message.type === 'abort') relay?.abort(message.id);
    else if (message.type === 'listen') void answerSync(message.id, incoming.listen(message.server));
    else if (message.type === 'unlisten') incoming.unlisten(message.key);
    else if (message.type === 'files') takeFiles(message.files);
    else if (message.type === 'probe') Atomics.store(words, Word.probe, message.value);
    else if (!booted) stop.abort(startAborted());
    else void (message.hurry ? closeHurriedly() : close());
  }

  function receiveAll(): void {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) receive(next.message);
  }

  async function answer(message: Extract<ToWorker, { type: 'call' }>): Promise<void> {
    const { id, sync } = message;
    const reply = await ask(booted?.link, message.method, message.params);
    try {
      if (sync) replySync(memory, input.replies, id, reply);
      else postReply(port, { type: 'reply', id, reply });
    } catch (error) {
      // A result that cannot be cloned is our mistake, and must not leave the app's thread waiting.
      const failed: Reply = { ok: false, failure: packFailure(error) };
      if (sync) replySync(memory, input.replies, id, failed);
      else post({ type: 'reply', id, reply: failed });
    }
  }

  async function answerSync(id: number, subscribed: Promise<IncomingSubscribed>): Promise<void> {
    const reply: Reply = await subscribed.then(
      (result) => ({ ok: true, result, raw: new Uint8Array() }),
      (error: unknown) => ({ ok: false, failure: packFailure(error) }),
    );
    replySync(memory, input.replies, id, reply);
  }

  process.on('exit', () => {
    // Whatever ends this thread: a blocked app must not wait for it any longer.
    if (Atomics.load(words, Word.state) > State.ready) return;
    publish(words, Word.state, State.failed);
    Atomics.notify(words, Word.replied);
  });
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  port.on('message', receive);
  publish(words, Word.state, State.loaded);
  void run();
}

async function ask(link: AgentLink | undefined, method: MethodName, params: unknown): Promise<Reply> {
  try {
    if (!link) throw new MirrordError('NOT_READY', `${method} was asked for before the session was up`);
    const { result, raw } = await link.call(method, params as Params<MethodName>);
    return { ok: true, result, raw };
  } catch (error) {
    return { ok: false, failure: packFailure(error) };
  }
}
