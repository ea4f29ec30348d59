import type { Duplex } from 'node:stream';
import type { MuxStream } from './session-types';

/** A socket with `allowHalfOpen`. */
export type SplicableSocket = Duplex & { destroySoon?(): void };

/**
 * Joins a stream and a socket for good: bytes both ways with back-pressure, half-close both ways, reset both ways. Credit
 * goes back when the socket has taken the bytes, so a reader that never reads costs one window.
 *
 * @param lose ends a socket in the middle of what it carries, because the session is over
 */
export function spliceSocket(stream: MuxStream, socket: SplicableSocket, lose = resetSocket): void {
  let streamClosed = false;

  stream.onDrain = () => socket.resume();
  stream.onEnd = () => socket.end();
  stream.onReset = ({ sessionOver }) => {
    // All that was sent has arrived, and its end: a process that exits leaves such connections to close in order.
    if (sessionOver && socket.writableEnded && socket.destroySoon) socket.destroySoon();
    else if (sessionOver) lose(socket);
    else resetSocket(socket);
  };
  stream.onClose = () => {
    streamClosed = true;
  };
  stream.onData = (chunk) => {
    if (socket.destroyed) return;
    socket.write(chunk, () => stream.consumed(chunk.byteLength));
  };

  socket.on('data', (chunk: Uint8Array) => {
    if (!stream.write(chunk)) socket.pause();
  });
  socket.on('end', () => stream.end());
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (!streamClosed) stream.reset(error.code ?? 'ECONNRESET', error.message);
  });
  socket.on('close', () => {
    // Both ends were passed on, or nobody is left who could pass them on.
    if (!streamClosed && !(socket.readableEnded && socket.writableFinished)) stream.reset('ECONNRESET');
  });
  if (socket.destroyed) stream.reset('ECONNRESET');
  else socket.resume();
}

/**
 * A reset as the peer of a TCP connection sees it: RST, not FIN. Node's own `resetAndDestroy` sends what is written and a FIN
 * first, and a peer that reads that before the RST takes half of an answer for the whole.
 */
export function resetSocket(socket: SplicableSocket): void {
  if (socket.destroyed) return;
  const { _handle } = socket as { _handle?: { reset?: unknown } | null };
  if (socket.writableFinished) {
    socket.destroy();
  } else if (socket.writableEnded) {
    // That direction is complete: who reads slowly still gets all of it.
    socket.once('finish', () => socket.destroy());
  } else {
    // What `_destroy` of a socket looks at; handles of other kinds cannot be reset.
    if (typeof _handle?.reset === 'function') Object.assign(socket, { resetAndClosing: true });
    socket.destroy();
  }
}
