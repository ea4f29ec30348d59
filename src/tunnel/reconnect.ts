import { SessionError } from '../protocol/session-error';
import type { Clock } from '../protocol/timer';

const FIRST_DELAY = 50;
const LONGEST_DELAY = 5_000;
/** An attempt that had less than this fails for want of time, which would hide why the others did. */
const FAIR_ATTEMPT = 1_000;

export interface ReconnectOptions<T> extends Clock {
  attempt: (limitMs: number, signal: AbortSignal) => Promise<T>;
  /** How long to go on, in milliseconds. */
  graceMs: number;
  /** The most one attempt may take. */
  attemptMs: number;
  signal: AbortSignal;
  /** Is given a function that drops what is under way and tries anew at once: the machine has just woken up. */
  onHurry: (hurry: () => void) => void;
}

/**
 * Tries until an attempt succeeds: at once, then after 50 ms, doubled up to 5 s.
 *
 * @throws SessionError when the agent refuses for good; the last error when the grace time is over; the signal's reason
 */
export async function reconnect<T>({
  attempt,
  graceMs,
  attemptMs,
  signal,
  onHurry,
  now,
  setTimer,
}: ReconnectOptions<T>): Promise<T> {
  const deadline = now() + graceMs;
  let reason: unknown;
  for (let delay = FIRST_DELAY; ; delay = Math.min(delay * 2, LONGEST_DELAY)) {
    const hurry = new AbortController();
    onHurry(() => hurry.abort(new Error('the machine has slept')));
    const either = AbortSignal.any([signal, hurry.signal]);
    const limitMs = Math.max(1, Math.min(attemptMs, deadline - now()));
    try {
      return await attempt(limitMs, either);
    } catch (error) {
      if (error instanceof SessionError) throw error;
      if (limitMs >= FAIR_ATTEMPT || reason === undefined) reason = error;
      if (now() >= deadline) throw reason;
    }
    signal.throwIfAborted();
    await pause(Math.min(delay, Math.max(1, deadline - now())), { setTimer, signal: either }).catch(() => {});
    signal.throwIfAborted();
    if (hurry.signal.aborted) delay = FIRST_DELAY / 2;
  }
}

function pause(ms: number, { setTimer, signal }: Pick<Clock, 'setTimer'> & { signal: AbortSignal }): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = setTimer(ms, () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    signal.addEventListener('abort', abort, { once: true });
  });
}
