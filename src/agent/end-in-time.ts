import type { Duplex } from 'node:stream';

/** Milliseconds in which a peer has to take what was sent to it before the session ended. */
const TAKE_LIMIT_MS = 60_000;

/**
 * Who reads slowly gets all of what a session has sent and ended; who does not read at all must not hold a descriptor of the agent for
 * as long as it likes, as the kernel asks such a peer again and again without an end.
 */
export function endInTime(socket: Duplex, limitMs = TAKE_LIMIT_MS): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), limitMs);
  // The agent's own end does not wait for it.
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
