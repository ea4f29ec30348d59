import type { Undo } from '../patch';
import { errnoOf } from '../uv-errors';
import { wrapMethod } from '../wrap';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';

const LOOPBACK = '127.0.0.1';
const UNSPECIFIED = new Set(['0.0.0.0', '::']);

/** The source address of connections that go to the relay. */
export interface SourceAddresses {
  /** Sees to it that the handle has a loopback port. Gives the port, or the errno when there is none to be had. */
  secure(handle: TcpHandle): number;
  /** The errno of a bind that was put off; 0 if there was none. */
  postponedError(handle: TcpHandle): number;
  /** Connects to the relay in the address family that the handle is bound in. */
  connectToRelay(handle: TcpHandle, request: Parameters<TcpHandle['connect']>[0], port: number): number;
  undo: Undo;
}

/**
 * `localAddress` is bound before it is known where the connection goes. An address that this machine does not have is
 * probably the pod's: then the error waits for `connect` (which needs no such address if it is remote) or `listen`.
 * Unspecified addresses are left out: a server tries `::` first and takes the error as a sign to use IPv4.
 */
export function installBind(prototype: TcpHandle, native: NativeTcp): SourceAddresses {
  const postponed = new WeakMap<TcpHandle, { status: number; port: number }>();
  const unavailable = errnoOf('EADDRNOTAVAIL');

  const wrapBind = (name: 'bind' | 'bind6'): Undo =>
    wrapMethod(
      prototype,
      name,
      (bind) =>
        function (this: TcpHandle, address: string, port: number, ...rest: unknown[]) {
          const status: number = Reflect.apply(bind, this, [address, port, ...rest]);
          if (status !== unavailable || UNSPECIFIED.has(address)) return status;
          postponed.set(this, { status, port });
          return 0;
        },
    );
  const undos = [wrapBind('bind'), wrapBind('bind6')];

  const boundTo = (handle: TcpHandle): HandleAddress => {
    const address: HandleAddress = {};
    return native.getsockname.call(handle, address) === 0 ? address : {};
  };

  return {
    secure(handle) {
      const { port } = boundTo(handle);
      if (port) return port;
      const status = native.bind.call(handle, LOOPBACK, postponed.get(handle)?.port ?? 0);
      return status || (boundTo(handle).port ?? 0);
    },
    postponedError: (handle) => postponed.get(handle)?.status ?? 0,
    connectToRelay(handle, request, port) {
      // A socket bound by `bind6` takes IPv6 addresses only; the relay sees it come from 127.0.0.1 all the same.
      return boundTo(handle).family === 'IPv6'
        ? native.connect6.call(handle, request, `::ffff:${LOOPBACK}`, port)
        : native.connect.call(handle, request, LOOPBACK, port);
    },
    undo() {
      for (const undo of undos) undo();
    },
  };
}
