import net from 'node:net';
import type { PatchContext } from '../../runtime/verdict';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import type { SourceAddresses } from './bind';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';
import type { ServerPorts } from './server-ports';

/**
 * Tells which ports this thread listens on: connections to them on loopback are the app talking to itself. At the handle
 * every kind of server passes, and a cluster worker, whose handle is not real, does not count.
 */
export function installListen(
  prototype: TcpHandle,
  { listeners, incoming }: PatchContext,
  { native, sources, servers }: { native: NativeTcp; sources: SourceAddresses; servers: ServerPorts },
): Undo {
  const ports = new Map<TcpHandle, number>();
  const endings = new Map<TcpHandle, () => void>();

  const opened = (handle: TcpHandle, isNew: boolean) => {
    const { port, address } = nameOf(native, handle);
    if (!port || ports.has(handle)) return;
    ports.set(handle, port);
    // Before the port is registered, so that only others' servers on the same port are found there.
    const asked = servers.askedBy(handle) ?? port;
    const end = isNew ? incoming?.opened({ asked, address: address!, port }) : undefined;
    if (end) endings.set(handle, end);
    listeners?.opened(port);
  };
  const closed = (handle: TcpHandle) => {
    const port = ports.get(handle);
    if (port === undefined || !ports.delete(handle)) return;
    endings.get(handle)?.();
    endings.delete(handle);
    listeners?.closed(port);
  };
  // What asked for an ephemeral port cannot be told from what asked for that port: those get nothing of the pod's.
  for (const handle of serversUpNow()) opened(handle, false);

  const undos = [
    wrapMethod(
      prototype,
      'listen',
      (listen) =>
        function (this: TcpHandle, ...args: unknown[]) {
          const status: number = sources.postponedError(this) || Reflect.apply(listen, this, args);
          if (status === 0) opened(this, true);
          return status;
        },
    ),
    wrapMethod(
      prototype,
      'close',
      (close) =>
        function (this: TcpHandle, ...args: unknown[]) {
          closed(this);
          return Reflect.apply(close, this, args);
        },
    ),
  ];
  return () => {
    for (const undo of undos.reverse()) undo();
    for (const handle of [...ports.keys()]) closed(handle);
  };
}

function nameOf(native: NativeTcp, handle: TcpHandle): HandleAddress {
  const address: HandleAddress = {};
  return native.getsockname.call(handle, address) === 0 ? address : {};
}

/** A session that starts late finds servers that listen already. */
function serversUpNow(): TcpHandle[] {
  const { _getActiveHandles: activeHandles } = process as unknown as { _getActiveHandles?: () => unknown[] };
  if (typeof activeHandles !== 'function') return [];
  return activeHandles
    .call(process)
    .filter((active): active is net.Server => active instanceof net.Server && typeof active.address() === 'object')
    .map((server) => (server as unknown as { _handle: TcpHandle })._handle)
    .filter(Boolean);
}
