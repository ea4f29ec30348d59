import type { Duplex } from 'node:stream';

/** A socket, or a stream that stands for one. */
export type ByteDuplex = Duplex & { resetAndDestroy?(): unknown };

/** Joins two connections for good: bytes, half-close and reset both ways, with back-pressure. */
export function joinSockets(one: ByteDuplex, other: ByteDuplex): void {
  forward(one, other);
  forward(other, one);
}

function forward(from: ByteDuplex, to: ByteDuplex): void {
  from.on('error', () => abort(to));
  from.on('close', () => {
    // Without an end that was passed on, the other side would wait for ever.
    if (!from.readableEnded) abort(to);
  });
  if (from.readableEnded) to.end();
  else from.pipe(to);
  if (from.destroyed && !from.readableEnded) abort(to);
}

export function abort(socket: ByteDuplex): void {
  if (socket.destroyed) return;
  try {
    if (socket.resetAndDestroy) socket.resetAndDestroy();
    else socket.destroy();
  } catch {
    socket.destroy();
  }
}
