import net from 'node:net';
import type { PatchContext } from '../../runtime/verdict';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import type { SourceAddresses } from './bind';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';

/**
 * Tells which ports this thread listens on: connections to them on loopback are the app talking to itself. At the handle
 * every kind of server passes, and a cluster worker, whose handle is not real, does not count.
 */
export function installListen(
  prototype: TcpHandle,
  { listeners }: PatchContext,
  { native, sources }: { native: NativeTcp; sources: SourceAddresses },
): Undo {
  const ports = new Map<TcpHandle, number>();

  const opened = (handle: TcpHandle) => {
    const { port } = nameOf(native, handle);
    if (!port || ports.has(handle)) return;
    ports.set(handle, port);
    listeners?.opened(port);
  };
  for (const handle of serversUpNow()) opened(handle);

  const undos = [
    wrapMethod(
      prototype,
      'listen',
      (listen) =>
        function (this: TcpHandle, ...args: unknown[]) {
          const status: number = sources.postponedError(this) || Reflect.apply(listen, this, args);
          if (status === 0) opened(this);
          return status;
        },
    ),
    wrapMethod(
      prototype,
      'close',
      (close) =>
        function (this: TcpHandle, ...args: unknown[]) {
          const port = ports.get(this);
          if (port !== undefined && ports.delete(this)) listeners?.closed(port);
          return Reflect.apply(close, this, args);
        },
    ),
  ];
  return () => {
    for (const undo of undos.reverse()) undo();
    for (const port of ports.values()) listeners?.closed(port);
    ports.clear();
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
