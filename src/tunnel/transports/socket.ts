import { createConnection } from 'node:net';
import { MirrordError } from '../../errors';
import type { Dial, Transport } from '../transport';

export type SocketAddress = { path: string } | { port: number; host?: string };

export interface SocketDialOptions {
  /** Milliseconds until a connection must be there. Default 10 s. */
  connectTimeoutMs?: number;
}

/**
 * Dials a TCP port or a Unix socket. An IP literal as host: a name would be looked up in the thread pool each time.
 *
 * The dial rejects with MirrordError LINK_LOST (with the system error as cause) or LINK_TIMEOUT.
 */
export function dialSocket(address: SocketAddress, { connectTimeoutMs = 10_000 }: SocketDialOptions = {}): Dial {
  const name = 'path' in address ? address.path : `${address.host ?? '127.0.0.1'}:${address.port}`;
  return (signal) =>
    new Promise<Transport>((resolve, reject) => {
      signal?.throwIfAborted();
      const socket = createConnection('path' in address ? address : { host: '127.0.0.1', ...address });
      socket.setNoDelay(true);
      const fail = (error: unknown) => {
        settle();
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      };
      const onError = (cause: Error) => {
        fail(new MirrordError('LINK_LOST', `cannot connect to ${name}: ${cause.message}`, { cause }));
      };
      const onAbort = () => fail(signal!.reason);
      const timer = setTimeout(() => {
        fail(new MirrordError('LINK_TIMEOUT', `no connection to ${name} within ${connectTimeoutMs / 1000} s`));
      }, connectTimeoutMs);
      const settle = () => {
        clearTimeout(timer);
        socket.off('error', onError);
        signal?.removeEventListener('abort', onAbort);
      };
      socket.once('error', onError);
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.once('connect', () => {
        settle();
        resolve(socket);
      });
    });
}
