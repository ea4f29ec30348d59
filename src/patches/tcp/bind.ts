import { randomFillSync } from 'node:crypto';
import type { Undo } from '../patch';
import { errnoOf } from '../uv-errors';
import { wrapMethod } from '../wrap';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';

const LOOPBACK = '127.0.0.1';
const LOOPBACK_V6 = '::1';
const UNSPECIFIED = new Set(['0.0.0.0', '::']);

/** Where a connection comes from, as the relay will see it. */
export interface Source {
  address: string;
  port: number;
  /** What the app has bound it to, where that is the pod's. */
  asked?: string;
}

/** The source address of connections that go to the relay. */
export interface SourceAddresses {
  /** Sees to it that the handle is bound to loopback. Gives where, or the errno when there is no address to be had. */
  secure(handle: TcpHandle): Source | number;
  /** The errno of a bind that was put off, or that is done now; 0 if there was none. */
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
 * probably the pod's: then the error waits for `connect` (which needs no such address if it is remote) or `listen`. So does
 * a socket on ::1, which could not be connected to the relay from there.
 * Unspecified addresses are left out: a server tries `::` first and takes the error as a sign to use IPv4.
 */
export function installBind(
  prototype: TcpHandle,
  { native, socketType }: { native: NativeTcp; socketType: number | undefined },
): SourceAddresses {
  const postponed = new WeakMap<TcpHandle, { status: number; address: string; port: number | undefined }>();
  const unavailable = errnoOf('EADDRNOTAVAIL')!;

  const isSocket = (handle: TcpHandle) => socketType !== undefined && handle.getProviderType?.() === socketType;

  const wrapBind = (name: 'bind' | 'bind6'): Undo =>
    wrapMethod(
      prototype,
      name,
      (bind) =>
        function (this: TcpHandle, address: string, port: number | undefined, ...rest: unknown[]) {
          const waits = address === LOOPBACK_V6 && !port && isSocket(this);
          const status: number = waits ? unavailable : Reflect.apply(bind, this, [address, port, ...rest]);
          if (status !== unavailable || UNSPECIFIED.has(address)) return status;
          postponed.set(this, { status, address, port });
          // Node looks whether it got the port.
          return port ? bindToLoopback(this) : 0;
        },
    );
  const undos = [wrapBind('bind'), wrapBind('bind6')];

  function bindToLoopback(handle: TcpHandle): number {
    const { address: asked, port = 0 } = postponed.get(handle) ?? {};
    // The bind that failed has made it a socket of that family.
    const bindTo = (loopback: string) =>
      asked?.includes(':')
        ? native.bind6.call(handle, `::ffff:${loopback}`, port, 0)
        : native.bind.call(handle, loopback, port);
    return bindTo(secretLoopback()) && bindTo(LOOPBACK);
  }

  const boundTo = (handle: TcpHandle): HandleAddress => {
    const address: HandleAddress = {};
    return native.getsockname.call(handle, address) === 0 ? address : {};
  };

  return {
    secure(handle) {
      const bound = boundTo(handle);
      const status = bound.port ? 0 : bindToLoopback(handle);
      if (status) return status;
      const asked = postponed.get(handle)?.address;
      const { address, port } = bound.port ? bound : boundTo(handle);
      if (!address || !port) return unavailable;
      // What is bound to no address in particular goes to loopback from its first one.
      return { address: UNSPECIFIED.has(address) ? LOOPBACK : address.replace(/^::ffff:/, ''), port, asked };
    },
    postponedError(handle) {
      const { status = 0, address } = postponed.get(handle) ?? {};
      return address === LOOPBACK_V6 ? native.bind6.call(handle, address, 0, 0) : status;
    },
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
