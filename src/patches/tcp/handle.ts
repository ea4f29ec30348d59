import net from 'node:net';

/** What `getsockname` and `getpeername` fill in. */
export interface HandleAddress {
  address?: string;
  port?: number;
  family?: 'IPv4' | 'IPv6';
}

/** Node's `TCPConnectWrap`: what is told that a connect has succeeded or failed. */
export interface ConnectRequest {
  /** Node takes it away when a happy-eyeballs attempt has run out of time. */
  oncomplete?: (
    status: number,
    handle: TcpHandle,
    request: ConnectRequest,
    readable: boolean,
    writable: boolean,
  ) => void;
}

/** Node's `TCP`, as far as it is used here. Methods return 0 or a negative errno. */
export interface TcpHandle {
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
  listen(backlog: number): number;
  getsockname(out: HandleAddress): number;
  getpeername(out: HandleAddress): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
  /** Of `AsyncWrap`. */
  getProviderType?(): number;
}

export interface FoundTcp {
  prototype: TcpHandle;
  /** What `getProviderType` says of the handle of a socket; handles of servers say something else. */
  socketType: number | undefined;
}

/**
 * The prototype every TCP handle of this thread has. A socket makes its handle at once and connects on the next tick, so
 * one that is destroyed before shows it without touching the network. (With a name instead of an address the same costs
 * some ten milliseconds more.) `process.binding('tcp_wrap')` would give it too, but warns under `--pending-deprecation`
 * and is refused under `--permission`.
 */
export function findTcp(): FoundTcp {
  const socket = new net.Socket();
  socket.on('error', () => {});
  try {
    socket.connect({ host: '127.0.0.1', port: 1 });
    const { _handle: handle } = socket as unknown as { _handle: TcpHandle | null };
    if (typeof handle?.connect !== 'function') throw new Error('net.Socket has no TCP handle in this version of Node');
    return { prototype: Object.getPrototypeOf(handle) as TcpHandle, socketType: handle.getProviderType?.() };
  } finally {
    socket.destroy();
  }
}

/** Node's own methods, called with a handle, past whatever is patched. */
export type NativeTcp = { readonly [K in Exclude<keyof TcpHandle, 'getProviderType'>]: TcpHandle[K] };

export function captureNatives(prototype: TcpHandle): NativeTcp {
  const { connect, connect6, bind, bind6, listen, getsockname, getpeername, close, ref, unref, hasRef } = prototype;
  return { connect, connect6, bind, bind6, listen, getsockname, getpeername, close, ref, unref, hasRef };
}
