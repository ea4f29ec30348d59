import { randomFillSync } from 'node:crypto';
import type { Undo } from '../patch';
import { errnoOf } from '../uv-errors';
import { wrapMethod } from '../wrap';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';

const LOOPBACK = '127.0.0.1';
const UNSPECIFIED = new Set(['0.0.0.0', '::']);

/** Where a connection comes from, as the relay will see it. */
export interface Source {
  address: string;
  port: number;
}

/** The source address of connections that go to the relay. */
export interface SourceAddresses {
  /** Sees to it that the handle is bound to loopback. Gives where, or the errno when there is no address to be had. */
  secure(handle: TcpHandle): Source | number;
  /** The errno of a bind that was put off; 0 if there was none. */
  postponedError(handle: TcpHandle): number;
  /** Connects to the relay in the address family that the handle is bound in. */
  connectToRelay(handle: TcpHandle, request: Parameters<TcpHandle['connect']>[0], port: number): number;
  undo: Undo;
}

/**
 * Another process may bind the port of a handle that is not connected yet, as libuv asks for SO_REUSEADDR. It cannot know the
 * address, which is one of 16 million where the system has all of 127/8; elsewhere binding it fails.
 */
function secretLoopback(): string {
  const [a, b, c] = randomFillSync(new Uint8Array(3));
  return `127.${a}.${b}.${Math.min(Math.max(c!, 2), 254)}`;
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
      const bound = boundTo(handle);
      if (!bound.port) {
        const wanted = postponed.get(handle)?.port ?? 0;
        const secret = native.bind.call(handle, secretLoopback(), wanted);
        const status = secret && native.bind.call(handle, LOOPBACK, wanted);
        if (status) return status;
      }
      const { address, port } = bound.port ? bound : boundTo(handle);
      if (!address || !port) return unavailable!;
      // What is bound to no address in particular goes to loopback from its first one.
      return { address: UNSPECIFIED.has(address) ? LOOPBACK : address.replace(/^::ffff:/, ''), port };
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
