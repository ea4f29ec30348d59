import type { Socket } from 'node:net';
import type { IncomingRequest, MuxStream } from '../../protocol/session-types';
import { resetSocket, spliceSocket } from '../../protocol/splice';
import { toWireError } from '../../protocol/wire-errors';
import { loseConnection } from '../lose-connection';
import { type Destination, dialApp } from './dial-app';

/** Takes a connection from the agent to the server of the app, or refuses it with what the connect said. */
export async function deliver(request: IncomingRequest, to: Destination): Promise<void> {
  const { mode, peerAddress } = request.metadata;
  const dial = dialApp(to, peerAddress);
  request.onAbort = () => dial.abort();
  try {
    const socket = await dial.connected;
    if (mode === 'mirror') copyTo(socket, request.accept({}));
    else spliceSocket(request.accept({}), socket, loseConnection);
  } catch (error) {
    request.refuse(toWireError(error));
  }
}

/** One way only: what the app answers is read, so that it never blocks, and dropped. */
function copyTo(socket: Socket, stream: MuxStream): void {
  let streamClosed = false;
  stream.onEnd = () => socket.end();
  stream.onReset = () => resetSocket(socket);
  stream.onClose = () => {
    streamClosed = true;
  };
  stream.onData = (chunk) => {
    if (socket.destroyed) return;
    socket.write(chunk, () => stream.consumed(chunk.byteLength));
  };
  socket.on('end', () => stream.end());
  socket.on('close', () => {
    if (!streamClosed && !(socket.readableEnded && socket.writableFinished)) stream.reset('ECONNRESET');
  });
  if (socket.destroyed) stream.reset('ECONNRESET');
  else socket.resume();
}
