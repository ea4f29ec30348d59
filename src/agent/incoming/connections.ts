import { connect, type Socket } from 'node:net';
import type { SocketAddress } from '../../protocol/contract';
import type { MuxStream } from '../../protocol/session-types';
import type { Exemption } from './rules/rules';
import type { Subscriber } from './subscriber';

/** A client that is there answers in a round trip; the caller of the pod waits meanwhile. */
const OPEN_LIMIT_MS = 10_000;
const CONNECT_LIMIT_MS = 75_000;

/** A connection that was taken: who connected to what. */
export interface Taken {
  socket: Socket;
  podAddress: SocketAddress;
  peerAddress: SocketAddress;
}

/** To the pod's own application, past our own rules. Rejects with the kernel's error. */
export function connectToPod({ podAddress }: Taken, exemption: Exemption): Promise<Socket> {
  const { address: host, port, family } = podAddress;
  // With a group of its own the agent is told by that, and the application sees an address it knows.
  const localAddress = family === 4 && exemption.group === undefined ? exemption.address : undefined;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localAddress, allowHalfOpen: true, noDelay: true });
    const limit = setTimeout(() => socket.destroy(new Error('the pod did not answer')), CONNECT_LIMIT_MS);
    const failed = (error: Error) => {
      clearTimeout(limit);
      reject(error);
    };
    socket.once('error', failed).once('connect', () => {
      clearTimeout(limit);
      socket.off('error', failed).on('error', () => {});
      resolve(socket);
    });
  });
}

/** A stream to the one who takes the connection. Rejects with a WireFailure when the client refuses it. */
export function openToClient(
  { id, session, params }: Subscriber,
  { socket, peerAddress, podAddress }: Taken,
  http?: 'http1' | 'http2',
): Promise<MuxStream> {
  const signal = AbortSignal.timeout(OPEN_LIMIT_MS);
  const { mode, port } = params;
  const opening = session.open(
    { kind: 'incoming', subscription: id, mode, port, peerAddress, podAddress, http },
    signal,
  );
  if (mode === 'steal') session.answers(socket);
  return opening;
}

export function toAddress(address = '', port = 0): SocketAddress {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  return { address: plain, port, family: plain.includes(':') ? 6 : 4 };
}
