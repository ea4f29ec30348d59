import type { Socket } from 'node:net';

/** Milliseconds in which a peer has to take what was sent to it before the session ended. */
export const TAKE_LIMIT_MS = 60_000;

/**
 * Who reads slowly gets all of what a session has sent; who does not read at all must not hold a descriptor of the agent for as
 * long as it likes, as the kernel asks such a peer again and again without an end. A connection that goes on with others, and has
 * taken what was sent until now, is left alone.
 */
export function endInTime(socket: Socket, limitMs = TAKE_LIMIT_MS): void {
  if (socket.destroyed || socket.writableLength === 0) return;
  const sent = socket.bytesWritten;
  const timer = setTimeout(() => {
    const taken = socket.bytesWritten - socket.writableLength;
    if (taken < sent) socket.destroy();
  }, limitMs);
  // The agent's own end does not wait for it.
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
