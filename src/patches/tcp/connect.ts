import { AsyncResource } from 'node:async_hooks';
import { isIPv4 } from 'node:net';
import type { ConnectOutcome, OutgoingAccess, PatchContext } from '../../runtime/verdict';
import { clearImmediate, setImmediate } from '../originals';
import type { Undo } from '../patch';
import { errnoOf } from '../uv-errors';
import { wrapMethod } from '../wrap';
import type { Endpoints, installAddresses } from './addresses';
import type { Source, SourceAddresses } from './bind';
import type { ConnectRequest, NativeTcp, TcpHandle } from './handle';
import type { ServerPorts } from './server-ports';

type Connected = Extract<ConnectOutcome, { ok: true }>;

/** A connection the pod has been asked for and that Node takes for a connect in progress. */
interface PendingConnect {
  request: ConnectRequest;
  address: string;
  port: number;
  family: 4 | 6;
  source: Source;
  /** Completion runs in the context of the call, as with Node: AsyncLocalStorage depends on it. */
  scope: AsyncResource;
  operation: ReturnType<OutgoingAccess['connect']>;
  /** Whether it keeps the process alive, which it does while the handle is referenced. */
  held: boolean;
  /** It has failed and Node is about to be told. */
  failing?: NodeJS.Immediate;
}

export interface ConnectParts {
  native: NativeTcp;
  sources: SourceAddresses;
  addresses: ReturnType<typeof installAddresses>;
  servers: ServerPorts;
}

/**
 * Connects by way of the pod, remote first: Node's connect returns at once and stays in progress until the pod is
 * connected. Only then is the handle connected to the relay on loopback, which knows it by its source port. So 'connect'
 * means that the far end has accepted, and a failure is given to Node as an errno, from which it builds its own errors.
 */
export function installConnect(prototype: TcpHandle, context: PatchContext, parts: ConnectParts): Undo {
  const { outgoing, log } = context;
  const { native, sources, addresses, servers } = parts;
  const pendings = new Map<TcpHandle, PendingConnect>();

  function begin(handle: TcpHandle, request: ConnectRequest, address: string, port: number, family: 4 | 6): number {
    // Bound now, not later: the handle has a descriptor from here on, as it has after Node's own connect, and options
    // that are set meanwhile take effect.
    const source = sources.secure(handle);
    if (typeof source === 'number') return source;
    const scope = new AsyncResource('MIRRORD_CONNECT');
    const target = { address: unmapped(address), port, localAddress: source.asked };
    const operation = outgoing.connect(target, (outcome) => {
      // Closed meanwhile: Node has been told.
      if (pendings.get(handle) === pending) scope.runInAsyncScope(settle, undefined, handle, pending, outcome);
    });
    const pending: PendingConnect = { request, address, port, family, source, scope, operation, held: false };
    pendings.set(handle, pending);
    keepAlive(pending, native.hasRef.call(handle));
    return 0;
  }

  function settle(handle: TcpHandle, pending: PendingConnect, outcome: ConnectOutcome): void {
    const status = outcome.ok ? join(handle, pending, outcome) : statusOf(outcome.code);
    if (status === 0) pendings.delete(handle);
    else fail(handle, pending, status);
    keepAlive(pending, false);
  }

  function statusOf(code: string): number {
    const status = errnoOf(code);
    if (status === undefined) log('tcp', `unknown error ${code}, taken for ECONNREFUSED`);
    return status ?? errnoOf('ECONNREFUSED')!;
  }

  /**
   * Node is told from a task of its own: bound and without a frame of ours below it, so that the stack of the error is
   * Node's, and what a listener throws does not pass through the caller. Until then the connect can still be cancelled.
   */
  function fail(handle: TcpHandle, pending: PendingConnect, status: number): void {
    const { request } = pending;
    pending.failing = setImmediate(
      request.oncomplete?.bind(request, status, handle, request, false, false) ?? (() => {}),
    );
    setImmediate(() => pendings.get(handle) === pending && pendings.delete(handle));
  }

  /** The rest of the connect is Node's: it completes the request when the relay has accepted. */
  function join(handle: TcpHandle, pending: PendingConnect, ends: Connected): number {
    outgoing.announce(pending.operation.id, pending.source.port, pending.source.address);
    addresses.set(handle, endpoints(pending, ends));
    const status = sources.connectToRelay(handle, pending.request, outgoing.relayPort);
    if (status !== 0) pending.operation.abort();
    return status;
  }

  function keepAlive(pending: PendingConnect, wanted: boolean): void {
    if (pending.held === wanted) return;
    pending.held = wanted;
    if (wanted) outgoing.hold();
    else outgoing.release();
  }

  /** The app talks to a server of its own by the port that one has asked for. */
  function ownServer(address: string, port: number, family: 4 | 6): number | undefined {
    const opened = servers.openedFor(port);
    if (opened === undefined) return undefined;
    const verdict = outgoing.decide(address, opened, family);
    const loopback = verdict.kind === 'bypass' && ['own-listener', 'loopback'].includes(verdict.reason);
    return loopback ? opened : undefined;
  }

  const wrapConnect = (name: 'connect' | 'connect6', family: 4 | 6): Undo =>
    wrapMethod(
      prototype,
      name,
      (connect) =>
        function (this: TcpHandle, request: ConnectRequest, address: string, port: number, ...rest: unknown[]) {
          const opened = ownServer(address, port, family) ?? port;
          const verdict = outgoing.decide(address, opened, family);
          log('tcp', `${address} ${port}: ${verdict.kind === 'bypass' ? `here, ${verdict.reason}` : verdict.kind}`);
          if (verdict.kind === 'remote') return begin(this, request, address, port, family);
          if (verdict.kind === 'refuse') return errnoOf(verdict.error.code ?? '') ?? errnoOf('EACCES');
          return sources.postponedError(this) || Reflect.apply(connect, this, [request, address, opened, ...rest]);
        },
    );

  const undos = [
    wrapConnect('connect', 4),
    wrapConnect('connect6', 6),
    wrapMethod(
      prototype,
      'close',
      (close) =>
        function (this: TcpHandle, ...args: [callback?: () => void]) {
          const pending = pendings.get(this);
          if (!pending) return Reflect.apply(close, this, args);
          pendings.delete(this);
          keepAlive(pending, false);
          if (pending.failing) {
            clearImmediate(pending.failing);
            return Reflect.apply(close, this, args);
          }
          pending.operation.abort();
          return close.call(this, () => {
            // libuv completes a connect in progress with ECANCELED just before it reports the handle closed.
            const { request, scope } = pending;
            scope.runInAsyncScope(() => request.oncomplete?.(errnoOf('ECANCELED')!, this, request, false, false));
            if (typeof args[0] === 'function') args[0].call(this);
          });
        },
    ),
    ...(['ref', 'unref'] as const).map((name) =>
      wrapMethod(
        prototype,
        name,
        (method) =>
          function (this: TcpHandle, ...args: unknown[]) {
            const result = Reflect.apply(method, this, args);
            const pending = pendings.get(this);
            if (pending && !pending.failing) keepAlive(pending, name === 'ref');
            return result;
          },
      ),
    ),
  ];
  return () => {
    for (const undo of undos) undo();
    // Nobody will answer these any more.
    for (const [handle, pending] of pendings) {
      if (pending.failing) continue;
      pending.operation.abort();
      keepAlive(pending, false);
      pending.scope.runInAsyncScope(fail, undefined, handle, pending, errnoOf('ECONNRESET')!);
    }
  };
}

/** The pod may be without IPv6 and still reach an IPv4 address that is written as `::ffff:10.0.0.1`. */
function unmapped(address: string): string {
  const tail = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  return tail && isIPv4(tail) ? tail : address;
}

/** Both as the kernel of the pod spells them. It is IPv4 there where the app has written `::ffff:10.0.0.1`, whose names are of that form. */
function endpoints({ address, port, family }: PendingConnect, { podAddress, peerAddress }: Connected): Endpoints {
  const name = (end: Connected['podAddress']): Endpoints['own'] =>
    family === 6 && end.family === 4
      ? { address: `::ffff:${end.address}`, port: end.port, family: 'IPv6' }
      : { address: end.address, port: end.port, family: end.family === 6 ? 'IPv6' : 'IPv4' };
  // One that was reset in the moment it was accepted has no name of its peer any more.
  return { peer: name(peerAddress.address ? peerAddress : { address, port, family }), own: name(podAddress) };
}
