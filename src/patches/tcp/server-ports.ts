import type { PatchContext } from '../../runtime/verdict';
import type { Undo } from '../patch';
import { errnoOf } from '../uv-errors';
import { wrapMethod } from '../wrap';
import type { HandleAddress, NativeTcp, TcpHandle } from './handle';

/** Ports below need a right that an app on a developer's machine has not. */
const PRIVILEGED = 1024;

export interface ServerPorts {
  /** The port a server has asked for; undefined when it was not bound here. */
  askedBy(handle: TcpHandle): number | undefined;
  /** The other way round: the port that is open here for one that was asked for, where it is another one. */
  openedFor(asked: number): number | undefined;
  /** The port that was asked for where this one was opened; undefined where it is the same. */
  askedFor(opened: number): number | undefined;
  undo: Undo;
}

/**
 * Opens servers on another port than they ask for: on the one that is configured, or, where the port is privileged and its
 * traffic comes from the pod anyway, on any. A port that is taken stays Node's error: frameworks try the next one.
 */
export function installServerPorts(
  prototype: TcpHandle,
  { incoming }: PatchContext,
  { native, socketType }: { native: NativeTcp; socketType: number | undefined },
): ServerPorts {
  const asked = new WeakMap<TcpHandle, number>();
  const opened = new Map<number, number>();
  const refused = errnoOf('EACCES');

  const wrapBind = (name: 'bind' | 'bind6'): Undo =>
    wrapMethod(
      prototype,
      name,
      (bind) =>
        function (this: TcpHandle, address: string, port: number, ...rest: unknown[]) {
          const bindTo = (other: number): number => Reflect.apply(bind, this, [address, other, ...rest]);
          // A socket that chooses its source port binds too. Where the two cannot be told apart, nothing is moved.
          if (!incoming || socketType === undefined || this.getProviderType?.() === socketType) return bindTo(port);
          let status = bindTo(incoming.portFor(port));
          if (status === refused && port > 0 && port < PRIVILEGED && incoming.takes({ asked: port, address })) {
            status = bindTo(0);
          }
          if (status === 0) note(this, address, port);
          return status;
        },
    );

  function note(handle: TcpHandle, address: string, port: number): void {
    asked.set(handle, port);
    const name: HandleAddress = {};
    if (port === 0 || native.getsockname.call(handle, name) !== 0 || !name.port || name.port === port) return;
    opened.set(port, name.port);
    incoming!.moved({ asked: port, address, port: name.port });
  }

  const undos = [
    wrapBind('bind'),
    wrapBind('bind6'),
    wrapMethod(
      prototype,
      'close',
      (close) =>
        function (this: TcpHandle, ...args: unknown[]) {
          const port = asked.get(this);
          if (port !== undefined && asked.delete(this)) opened.delete(port);
          return Reflect.apply(close, this, args);
        },
    ),
  ];

  return {
    askedBy: (handle) => asked.get(handle),
    openedFor: (port) => opened.get(port),
    askedFor(port) {
      for (const [from, to] of opened) if (to === port) return from;
      return undefined;
    },
    undo() {
      for (const undo of undos) undo();
    },
  };
}
