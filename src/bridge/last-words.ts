import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MuxStream } from '../protocol/session-types';

/** Turns of the event loop without a byte after which nothing lies in the system any more. */
const QUIET_TURNS = 3;
/** Milliseconds between looks at something that waits for somebody else. */
const LOOK_EVERY = 5;

export interface LastWordsLimits {
  /** Milliseconds for all of it. */
  limitMs: number;
  /** Milliseconds without a byte moving after which nobody takes the rest. */
  stallMs: number;
  /** Bytes that have left their streams and not this process. */
  unsent?: () => number;
  /** It goes on: called while something waits, at the beginning and whenever bytes have moved. */
  onProgress?: () => void;
}

/** Nothing of it was left, after what kind of wait. */
export type LastWords = 'at once' | 'after a while' | 'given up';

/**
 * For a process that exits: passes on what the system has taken from its sockets, and the end that the system would send for
 * each, as it does without us.
 *
 * @param accepted connections that were accepted so far, joined or not
 * @param joined connections that carry data, and their streams
 */
export async function deliverLastWords(
  accepted: ReadonlySet<Socket>,
  joined: ReadonlyMap<Socket, MuxStream>,
  { limitMs, stallMs, unsent = () => 0, onProgress = () => {} }: LastWordsLimits,
): Promise<LastWords> {
  const until = performance.now() + limitMs;
  const queued = () => [...joined.values()].reduce((sum, stream) => sum + stream.queued, unsent());
  const read = () => [...joined.keys()].reduce((sum, socket) => sum + socket.bytesRead, accepted.size);
  const waits = () => unsent() > 0 || [...joined].some(([socket, stream]) => socket.isPaused() || stream.queued > 0);
  let waited = false;

  async function settle(): Promise<boolean> {
    let lastMove = performance.now();
    let before = `${read()} ${queued()}`;
    // Accepted connections and bytes that lie in the kernel arrive in the next turns of the loop.
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      const now = performance.now();
      // Not all is said, and a cut must not look like an end: the far end is told by a reset.
      if (now >= until || now - lastMove >= stallMs) return false;
      await new Promise((resolve) => setImmediate(resolve));
      if (waits()) {
        if (!waited) onProgress();
        waited = true;
        quiet = 0;
        await sleep(LOOK_EVERY);
      } else quiet += 1;
      const after = `${read()} ${queued()}`;
      if (after === before) continue;
      before = after;
      lastMove = performance.now();
      quiet = 0;
      if (waited) onProgress();
    }
    return true;
  }

  if (!(await settle())) return 'given up';
  for (const stream of joined.values()) stream.end();
  // An end may have to wait as bytes do; and the goodbye that follows would overtake what leaves in the microtasks of this turn.
  if (!(await settle())) return 'given up';
  return waited ? 'after a while' : 'at once';
}
