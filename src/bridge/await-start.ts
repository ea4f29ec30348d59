import { receiveMessageOnPort } from 'node:worker_threads';
import { MirrordError } from '../errors';
import { unpackFailure } from './failure';
import type { OnReplyPort, ReadyData } from './messages';
import { State, Word } from './shared-memory';
import type { SpawnedWorker } from './spawn-worker';

const now = performance.now.bind(performance);

export interface StartLimits {
  /** Milliseconds for the worker's file to load. */
  loadMs: number;
  /** Milliseconds for all of it until the worker says how long its configuration allows. */
  startMs: number;
  /** Milliseconds a start that is given up has to clean up after itself. */
  abandonMs: number;
}

export const START_LIMITS: StartLimits = { loadMs: 10_000, startMs: 90_000, abandonMs: 5_000 };

/** A start that failed, and what the configuration says about going on without a session. */
export class StartFailure extends Error {
  constructor(
    override readonly cause: Error,
    readonly onFailure: 'exit' | 'continue' | undefined,
  ) {
    super(cause.message);
  }
}

export function startAborted(): MirrordError {
  return new MirrordError('START_ABORTED', 'the start of the session was given up');
}

/** Reads what the worker has left on the reply port. Undefined while the outcome is not there. */
export class StartOutcome {
  /** The step that was begun last, for messages. */
  step = 'the worker thread to load';

  constructor(private readonly replies: SpawnedWorker['replies']) {}

  /** Throws StartFailure. */
  take(): ReadyData | undefined {
    for (;;) {
      const received = receiveMessageOnPort(this.replies) as { message: OnReplyPort } | undefined;
      if (!received) return undefined;
      const { message } = received;
      if (message.type === 'step') this.step = message.text;
      if (message.type === 'ready') return message.ready;
      if (message.type === 'failed') throw new StartFailure(unpackFailure(message.failure), message.onFailure);
    }
  }

  timedOut(ms: number): StartFailure {
    this.take();
    const error = new MirrordError('START_TIMEOUT', `no session within ${ms / 1_000} s; waited for: ${this.step}`, {
      hint: 'agent.startup_timeout in the configuration gives a slow cluster more time.',
    });
    return new StartFailure(error, undefined);
  }
}

/**
 * Blocks the thread until the worker has started the session. Throws StartFailure.
 *
 * A worker that throws while it loads cannot tell anyone: its events need the event loop that is blocked here. It is
 * recognised by never saying "loaded".
 */
export function awaitStartSync(spawned: SpawnedWorker, giveUp: () => void, limits = START_LIMITS): ReadyData {
  const { words } = spawned.memory;
  const outcome = new StartOutcome(spawned.replies);
  const started = now();
  const waitUntil = (limit: () => number): boolean => {
    for (;;) {
      const state = Atomics.load(words, Word.state);
      if (state >= State.ready) return true;
      const left = started + limit() - now();
      if (left <= 0) return false;
      Atomics.wait(words, Word.state, state, Math.min(left, 1_000));
    }
  };
  const limit = (): number => startLimit(words, limits);
  if (!waitUntil(limit)) {
    const spent = limit();
    giveUp();
    if (Atomics.load(words, Word.state) !== State.none) waitUntil(() => spent + limits.abandonMs);
    throw outcome.timedOut(spent);
  }
  const ready = outcome.take();
  if (!ready) throw outcome.timedOut(limit());
  return ready;
}

/** Milliseconds since the beginning that the start may have taken by now. */
export function startLimit(words: Int32Array, limits: StartLimits): number {
  if (Atomics.load(words, Word.state) === State.none) return limits.loadMs;
  return Atomics.load(words, Word.startLimit) || limits.startMs;
}
