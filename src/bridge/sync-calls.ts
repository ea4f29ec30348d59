import { deserialize } from 'node:v8';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { MirrordError } from '../errors';
import type { OnReplyPort, Reply } from './messages';
import { unpackStat } from './packed-stat';
import { ReplyForm, type SharedMemory, State, Word } from './shared-memory';

const now = performance.now.bind(performance);

/** Milliseconds after which a silent worker is asked for a sign of life, and how long it has for it. */
const PROBE_AFTER = 2_000;
const PROBE_LIMIT = 5_000;

export interface SyncLimits {
  /** Milliseconds one synchronous call may block the thread. */
  callMs: number;
  probeAfterMs: number;
  probeLimitMs: number;
}

/** The worker gives a call up after 30 s; the rest is for its answer to arrive. */
export const SYNC_LIMITS: SyncLimits = { callMs: 35_000, probeAfterMs: PROBE_AFTER, probeLimitMs: PROBE_LIMIT };

/**
 * The app's half of a synchronous call: waits for the worker's answer with the thread blocked.
 *
 * No event of the worker can be delivered meanwhile, its death neither; so the wait goes in slices that look at the
 * state word and, when it takes long, at whether the worker's event loop still answers.
 */
export class SyncCalls {
  private sequence = 0;
  private probes = 0;

  constructor(
    private readonly memory: SharedMemory,
    private readonly replies: MessagePort,
    private readonly limits: SyncLimits = SYNC_LIMITS,
  ) {}

  /** `send` posts the call under the id it is given. Throws WORKER_FAILED, SESSION_CLOSED or SYNC_CALL_TIMEOUT. */
  run(what: string, send: (id: number) => void, probe: (value: number) => void, callMs = this.limits.callMs): Reply {
    const { words } = this.memory;
    this.sequence = (this.sequence % 0x7ffffffe) + 1;
    const id = this.sequence;
    this.requireAlive(what);
    Atomics.store(words, Word.expected, id);
    send(id);
    try {
      this.wait(id, { what, callMs }, probe);
      return this.take(id);
    } finally {
      Atomics.store(words, Word.expected, 0);
    }
  }

  private wait(id: number, { what, callMs }: { what: string; callMs: number }, probe: (value: number) => void): void {
    const { words } = this.memory;
    const { probeAfterMs, probeLimitMs } = this.limits;
    let started: number | undefined;
    let probedAt: number | undefined;
    for (;;) {
      const seen = Atomics.load(words, Word.replied);
      if (seen === id) return;
      this.requireAlive(what);
      const elapsed = started === undefined ? 0 : now() - started;
      started ??= now();
      if (elapsed > callMs) throw timedOut(what, callMs);
      if (probedAt !== undefined && Atomics.load(words, Word.probe) === this.probes) probedAt = undefined;
      if (probedAt !== undefined && now() - probedAt > probeLimitMs) throw workerFailed(what);
      if (probedAt === undefined && elapsed > probeAfterMs) {
        this.probes = (this.probes % 0x7ffffffe) + 1;
        probe(this.probes);
        probedAt = now();
      }
      Atomics.wait(words, Word.replied, seen, Math.min(probeAfterMs, 1_000, callMs));
    }
  }

  private take(id: number): Reply {
    const { words, payload } = this.memory;
    const form = Atomics.load(words, Word.form);
    if (form === ReplyForm.onPort) return this.takeFromPort(id);
    const metaLength = Atomics.load(words, Word.metaLength);
    const rawLength = Atomics.load(words, Word.rawLength);
    const takeRaw = () => {
      // A copy: the payload belongs to the next call.
      const raw = Buffer.allocUnsafeSlow(rawLength);
      payload.copy(raw, 0, metaLength, metaLength + rawLength);
      return raw;
    };
    if (form === ReplyForm.stat) return { ok: true, result: unpackStat(payload), raw: takeRaw() };
    const reply = deserialize(payload.subarray(0, metaLength)) as Reply;
    if (reply.ok) reply.raw = takeRaw();
    return reply;
  }

  private takeFromPort(id: number): Reply {
    for (;;) {
      const received = receiveMessageOnPort(this.replies) as { message: OnReplyPort } | undefined;
      if (!received) throw workerFailed('a reply that was announced');
      const { message } = received;
      // Replies to calls that were given up may lie before it.
      if (message.type === 'reply' && message.id === id) return message.reply;
    }
  }

  private requireAlive(what: string): void {
    const state = Atomics.load(this.memory.words, Word.state);
    if (state === State.failed) throw workerFailed(what);
    if (state === State.closed) throw sessionClosed(what);
  }
}

export function workerFailed(what: string, cause?: unknown): MirrordError {
  const why = cause === undefined ? '' : `: ${(cause as Error)?.message ?? cause}`;
  return new MirrordError('WORKER_FAILED', `the worker that holds the session has stopped${why}; waited for ${what}`, {
    hint: 'Restart the app to get a new session.',
    cause,
  });
}

export function sessionClosed(what: string): MirrordError {
  return new MirrordError('SESSION_CLOSED', `the session is closed; asked for ${what}`, {
    hint: 'Start a new session, or make the call before close().',
  });
}

function timedOut(what: string, ms: number): MirrordError {
  return new MirrordError('SYNC_CALL_TIMEOUT', `no answer to ${what} within ${ms / 1_000} s`, {
    hint: 'The connection to the cluster may be slow or lost; the call can be made again.',
  });
}
