import { Socket } from 'node:net';
import type { SocketAddress } from '../../protocol/contract';
import type { AppServer } from '../messages';
import type { PeerFile } from './peer-file';
import type { PeerTable } from './peer-table';

/** Milliseconds: a server whose backlog is full lets connects hang. */
const DIAL_LIMIT = 5_000;

/** A server of the app, and where its clients are written down. */
export interface Destination {
  server: AppServer;
  peers: PeerTable;
  file: PeerFile | undefined;
}

export interface AppDial {
  /** Rejects with the system's error. Of no effect any more once it has settled. */
  connected: Promise<Socket>;
  abort(): void;
}

/**
 * Connects to a server of the app, under the name of `peer`: the source port is chosen and written down before the connect, so
 * that the app's thread finds it when it accepts.
 */
export function dialApp(to: Destination, peer: SocketAddress): AppDial {
  let current: Socket | undefined;
  let aborted = false;
  const attempt = (address: string) => {
    current = startConnect(to, address, peer);
    if (aborted) current.destroy();
    return settled(current);
  };
  const [first, second] = reachableAt(to.server.address);
  const connected = attempt(first!).catch((error: NodeJS.ErrnoException) => {
    // `::` takes IPv4 as well unless it was told otherwise, which shows only here.
    if (second === undefined || aborted || error.code !== 'ECONNREFUSED') throw error;
    return attempt(second);
  });
  return {
    connected,
    abort() {
      aborted = true;
      current?.destroy();
    },
  };
}

function reachableAt(address: string): string[] {
  if (address === '0.0.0.0') return ['127.0.0.1'];
  return address === '::' ? ['127.0.0.1', '::1'] : [address];
}

interface BindableHandle {
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
  getsockname(out: { port?: number }): number;
}

function startConnect({ server, peers, file }: Destination, host: string, peer: SocketAddress): Socket {
  const socket = new Socket({ allowHalfOpen: true });
  socket.setNoDelay(true);
  // The handle is made here and connected on the next tick (notes/node/tcp-handles.md): in between it is bound.
  socket.connect({ host, port: server.port });
  const { _handle: handle } = socket as unknown as { _handle: BindableHandle | null };
  const name: { port?: number } = {};
  const bound = host.includes(':') ? handle?.bind6(host, 0, 0) : handle?.bind(host, 0);
  // Without a port of its own it is an ordinary connection from this machine.
  if (bound !== 0 || handle?.getsockname(name) !== 0 || !name.port) return socket;
  const { port } = name;
  peers.set(port, server.port, peer);
  file?.write(peers, port);
  socket.once('close', () => {
    peers.clear(port);
    file?.write(peers, port);
  });
  return socket;
}

function settled(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const text = `the app did not accept a connection within ${DIAL_LIMIT / 1000} s`;
      socket.destroy(Object.assign(new Error(text), { code: 'ETIMEDOUT' }));
    }, DIAL_LIMIT);
    const fail = (error?: Error) => reject(error ?? Object.assign(new Error('aborted'), { code: 'ECONNABORTED' }));
    socket.once('error', fail);
    socket.once('close', () => {
      clearTimeout(timer);
      fail();
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      // Until it is joined with its stream, in the next microtask.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
