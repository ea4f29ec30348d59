import type { Socket } from 'node:net';
import type { MuxStream } from '../../protocol/session-types';
import { resetSocket, spliceSocket } from '../../protocol/splice';
import { answerAndEnd, badGateway, refusalText } from './bad-gateway';
import { openToClient, type Taken } from './connections';
import { joinSockets } from './join-sockets';
import type { FirstBytes } from './peek';
import type { Subscriber } from './subscriber';

/** A connection as bytes: what was read of it and could not be put back comes first. */
export interface RawConnection {
  taken: Taken;
  rest: Buffer;
  kind: FirstBytes;
  connectToPod(): Promise<Socket>;
  /** Makes the copies for those who get one of all bytes; what it gives takes the bytes. */
  startCopies(): ((bytes: Buffer) => void) | undefined;
}

/** All of it to the pod's application. A pod that refuses is one that resets, for whoever has connected to us already. */
export async function passToPod(connection: RawConnection, pod?: Socket): Promise<void> {
  const { taken, rest, connectToPod } = connection;
  const { socket } = taken;
  try {
    const other = pod ?? (await connectToPod());
    copyAll(connection);
    if (rest.length > 0) other.write(rest);
    joinSockets(socket, other);
  } catch {
    resetSocket(socket);
  }
}

/** All of it to the one who steals the port. Rejects with what the client said, when it does not take it and the caller is not told. */
export async function stealRaw(connection: RawConnection, subscriber: Subscriber): Promise<void> {
  const { taken, rest, kind } = connection;
  const { socket } = taken;
  let stream: MuxStream;
  try {
    const http = kind === 'http1' || kind === 'http2' ? kind : undefined;
    stream = await openToClient(subscriber, taken, http);
  } catch (error) {
    if (subscriber.params.fallback === 'pod') return passToPod(connection);
    if (kind === 'http2') throw error;
    if (kind === 'http1') answerAndEnd(socket, badGateway(refusalText(subscriber, error)));
    else resetSocket(socket);
    return;
  }
  // What happened while the stream was opened has had no listener: splicing hears only what comes.
  const { destroyed, readableEnded } = socket;
  copyAll(connection);
  spliceSocket(stream, socket);
  if (kind === 'http1') answerWhenOver(stream, socket, subscriber);
  if (destroyed) return;
  if (rest.length > 0) stream.write(rest);
  if (readableEnded) stream.end();
}

/** In the breath in which it is joined: a listener for bytes starts their flow, and those before it would miss some. */
function copyAll({ taken, rest, startCopies }: RawConnection): void {
  const write = startCopies();
  if (!write) return;
  if (rest.length > 0) write(rest);
  taken.socket.on('data', write);
}

/** A process that has ended resets nothing on purpose: as long as nothing was answered, its caller can be told. */
function answerWhenOver(stream: MuxStream, socket: Socket, subscriber: Subscriber): void {
  const { onReset } = stream;
  stream.onReset = (cut) => {
    if (!cut.sessionOver || socket.bytesWritten > 0) return onReset(cut);
    answerAndEnd(socket, badGateway(refusalText(subscriber, { message: 'their process has ended' })));
  };
}
