import { connect, isIP, type Socket } from 'node:net';
import type { OpenAnswer, OpenRequest, SocketAddress, WireError } from '../protocol/contract';
import type { StreamRequest } from '../protocol/session-types';
import { resetSocket, spliceSocket } from '../protocol/splice';
import { endInTime } from './end-in-time';
import { errnoOf } from './files/file-error';

/** The kernel gives up after about two minutes; a client that waits that long has long gone. */
const CONNECT_LIMIT_MS = 75_000;

/** The connections of one session, so that they end with it and their number has a limit. */
export class Outgoing {
  readonly #sockets = new Set<Socket>();

  /** @param limit Connections at a time; the next one is refused with EMFILE, as a full descriptor table would. */
  constructor(
    private readonly limit: number,
    private readonly connectLimitMs = CONNECT_LIMIT_MS,
    private readonly takeLimitMs?: number,
  ) {}

  get size(): number {
    return this.#sockets.size;
  }

  /** Connects from the pod's network namespace, then joins stream and socket; refuses with the kernel's own error. */
  open(request: StreamRequest): void {
    const problem = checkRequest(request.metadata) ?? this.#checkRoom();
    if (problem) {
      request.refuse(problem);
      return;
    }
    const { host, port, localAddress } = request.metadata;
    const socket = connect({ host, port, localAddress, allowHalfOpen: true, noDelay: true });
    const limit = setTimeout(() => settle(connectError('ETIMEDOUT')), this.connectLimitMs);
    const settle = (error?: WireError) => {
      clearTimeout(limit);
      socket.off('connect', onConnect).off('error', onError);
      request.onAbort = () => {};
      if (!error) return;
      // A late error of the attempt that was given up has nobody left to be told.
      socket.on('error', () => {}).destroy();
      request.refuse(error);
    };
    const onConnect = () => {
      settle();
      spliceSocket(request.accept(describe(socket)), socket);
    };
    const onError = (error: Error) => settle(describeFailure(error));
    socket.on('connect', onConnect).on('error', onError);
    socket.on('close', () => this.#sockets.delete(socket));
    request.onAbort = () => {
      clearTimeout(limit);
      socket
        .off('connect', onConnect)
        .off('error', onError)
        .on('error', () => {})
        .destroy();
    };
    this.#sockets.add(socket);
  }

  #checkRoom(): WireError | undefined {
    if (this.#sockets.size < this.limit) return undefined;
    return { ...connectError('EMFILE'), message: `more than ${this.limit} connections in one session` };
  }

  /** Resets what is still open: the peers learn that the session is gone. What the client has ended closes in order, and in time. */
  close(): void {
    for (const socket of this.#sockets) {
      resetSocket(socket);
      endInTime(socket, this.takeLimitMs);
    }
  }
}

function checkRequest({ kind, host, port, localAddress }: OpenRequest): WireError | undefined {
  if (kind !== 'tcp')
    return { code: 'UNKNOWN_STREAM_KIND', message: `the agent cannot open streams of kind "${kind}"` };
  if (typeof host !== 'string' || host === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    return { code: 'BAD_PARAMETERS', message: `"${host}", port ${port}: not a host and a port from 0 to 65535` };
  }
  if (localAddress !== undefined && (typeof localAddress !== 'string' || isIP(localAddress) === 0)) {
    return { code: 'BAD_PARAMETERS', message: `"${localAddress}" is not an address to connect from` };
  }
  return undefined;
}

const connectError = (code: string): WireError => ({ code, errno: errnoOf(code), syscall: 'connect' });

/** Of several addresses tried for a name, the first one's error stands for all, as it is what came first to the kernel. */
function describeFailure(error: Error): WireError {
  const { code, errno, syscall } = ((error as AggregateError).errors?.[0] ?? error) as NodeJS.ErrnoException;
  return { code: code ?? 'ECONNREFUSED', errno, syscall: syscall ?? 'connect' };
}

function describe(socket: Socket): OpenAnswer {
  return {
    podAddress: toAddress(socket.localAddress, socket.localPort),
    peerAddress: toAddress(socket.remoteAddress, socket.remotePort),
  };
}

function toAddress(address = '', port = 0): SocketAddress {
  return { address, port, family: address.includes(':') ? 6 : 4 };
}
