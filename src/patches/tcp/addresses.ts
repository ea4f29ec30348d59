import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import type { HandleAddress, TcpHandle } from './handle';

/** What both ends of a connection through the pod are called there. */
export interface Endpoints {
  peer: Required<HandleAddress>;
  own: Required<HandleAddress>;
}

/**
 * A relayed socket is connected from loopback to loopback. Its two names are those in the pod, so that `remoteAddress`,
 * `localAddress` and `address()` are right. Node's own answer comes first: an unconnected handle keeps its error.
 */
export function installAddresses(prototype: TcpHandle): { set(handle: TcpHandle, ends: Endpoints): void; undo: Undo } {
  const known = new WeakMap<TcpHandle, Endpoints>();

  const wrapName = (name: 'getpeername' | 'getsockname', end: keyof Endpoints): Undo =>
    wrapMethod(
      prototype,
      name,
      (getName) =>
        function (this: TcpHandle, out: HandleAddress) {
          const status: number = getName.call(this, out);
          const ends = known.get(this);
          if (status === 0 && ends) Object.assign(out, ends[end]);
          return status;
        },
    );
  const undos = [wrapName('getpeername', 'peer'), wrapName('getsockname', 'own')];

  return {
    set: (handle, ends) => known.set(handle, ends),
    undo() {
      for (const undo of undos) undo();
    },
  };
}
