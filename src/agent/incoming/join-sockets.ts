import { resetSocket, type SplicableSocket } from '../../protocol/splice';

/** A socket, or a stream that stands for one. */
export type ByteDuplex = SplicableSocket;

/** Joins two connections for good: bytes, half-close and reset both ways, with back-pressure. */
export function joinSockets(one: ByteDuplex, other: ByteDuplex): void {
  forward(one, other);
  forward(other, one);
}

function forward(from: ByteDuplex, to: ByteDuplex): void {
  from.on('error', () => resetSocket(to));
  from.on('close', () => {
    // Without an end that was passed on, the other side would wait for ever.
    if (!from.readableEnded) resetSocket(to);
  });
  if (from.readableEnded) to.end();
  else from.pipe(to);
  if (from.destroyed && !from.readableEnded) resetSocket(to);
}
