import { PING_AFTER, PING_LIMIT } from './limits';
import type { Clock } from './timer';

export interface KeepaliveOptions extends Clock {
  /** When bytes last arrived. */
  lastReceived: () => number;
  ping: () => void;
  /** Nothing came, not even an answer: the transport is lost. */
  onSilent: (silentMs: number) => void;
  pingAfter?: number;
  limit?: number;
}

/**
 * Watches one transport: PING after a silence, and the end of it when that is not answered either, so a silence is found out
 * after `pingAfter + limit` whatever came before it. Answers a stop.
 */
export function keepAlive(options: KeepaliveOptions): () => void {
  const { now, setTimer, lastReceived, ping, onSilent, pingAfter = PING_AFTER, limit = PING_LIMIT } = options;
  let cancel = () => {};
  let pinged: number | undefined;

  const check = () => {
    const heard = lastReceived();
    if (pinged !== undefined && heard >= pinged) pinged = undefined;
    if (pinged === undefined && now() - heard >= pingAfter) {
      pinged = now();
      ping();
    }
    const due = pinged === undefined ? heard + pingAfter : pinged + limit;
    // Any sign of life counts; bytes of a big frame may come before the answer to the ping.
    if (pinged !== undefined && now() >= due) onSilent(now() - heard);
    // Looked at again before the answer is due: what came right after the ping may have been the last that ever comes.
    else cancel = setTimer(Math.min(Math.max(due - now(), 1), pingAfter), check);
  };
  check();
  return () => cancel();
}
