import { resetSocket, type SplicableSocket } from '../../protocol/splice';

/** Joins two connections for good: bytes, half-close and reset both ways, with back-pressure. */
export function joinSockets(one: SplicableSocket, other: SplicableSocket): void {
  forward(one, other);
  forward(other, one);
}

function forward(from: SplicableSocket, to: SplicableSocket): void {
  from.on('error', () => resetSocket(to));
  from.on('close', () => {
    // Without an end that was passed on, the other side would wait for ever.
    if (!from.readableEnded) resetSocket(to);
  });
  if (from.readableEnded) to.end();
  else from.pipe(to);
  if (from.destroyed && !from.readableEnded) resetSocket(to);
}
