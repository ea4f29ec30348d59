import { isIPv4 } from 'node:net';
import type { PatchContext } from '../../runtime/verdict';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';
import type { ServerPorts } from './server-ports';

const LOOPBACK = /^(::ffff:)?127\.|^::1$/;

/**
 * A connection of the pod reaches a server of the app from loopback. Its peer is who has connected in the pod, in the form in
 * which a server of this kind would see it. Servers on another port than they asked for go by the one they asked for.
 */
export function installAccepted(
  prototype: TcpHandle,
  { incoming }: PatchContext,
  { native, servers }: { native: NativeTcp; servers: ServerPorts },
): Undo {
  if (!incoming) return () => {};
  const own: HandleAddress = {};
  const undos = [
    wrapMethod(
      prototype,
      'getpeername',
      (getName) =>
        function (this: TcpHandle, out: HandleAddress) {
          const status: number = getName.call(this, out);
          if (status !== 0 || !out.port || !LOOPBACK.test(out.address!) || native.getsockname.call(this, own) !== 0)
            return status;
          const peer = incoming.peerOf(out.port, own.port!);
          if (peer) {
            const { address, port, family } = peer;
            // A server that takes both families sees IPv4 clients as mapped ones.
            const mapped = out.family === 'IPv6' && isIPv4(address);
            out.address = mapped ? `::ffff:${address}` : address;
            out.port = port;
            out.family = mapped || family === 6 ? 'IPv6' : 'IPv4';
          }
          return status;
        },
    ),
    wrapMethod(
      prototype,
      'getsockname',
      (getName) =>
        function (this: TcpHandle, out: HandleAddress) {
          const status: number = getName.call(this, out);
          if (status === 0 && out.port) out.port = servers.askedFor(out.port) ?? out.port;
          return status;
        },
    ),
  ];
  return () => {
    for (const undo of undos) undo();
  };
}
