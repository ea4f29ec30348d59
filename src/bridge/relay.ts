import { createServer, type Server, type Socket } from 'node:net';
import { isMirrordError } from '../errors';
import type { AgentLink, MuxStream } from '../protocol/session-types';
import { resetSocket, spliceSocket } from '../protocol/splice';
import { deliverLastWords, type LastWords, type LastWordsLimits } from './last-words';
import { loseConnection } from './lose-connection';
import type { ConnectTarget, WireOutcome } from './messages';

export interface RelayOptions {
  /** The link to open streams on; asked for each time, as it may be replaced. */
  link: () => Pick<AgentLink, 'open' | 'unsent'>;
  /** What became of a connection the app asked for. */
  report: (id: number, outcome: WireOutcome) => void;
  /**
   * Handles what the app's thread has posted so far. An announcement is posted before its connection is made, so after this
   * a connection that nobody announced is a stranger's, however many arrive at once.
   */
  catchUp?: () => void;
  /** Milliseconds a connection waits for its announcement. */
  matchMs?: number;
  /** Milliseconds an announcement waits for its connection: long, as thousands at once are accepted over many seconds. */
  announcedMs?: number;
  /** Accepted connections that may wait for their announcement at a time; further ones are dropped. */
  maxUnmatched?: number;
}

export interface Relay {
  /** Loopback port. */
  readonly port: number;
  connect(id: number, target: ConnectTarget): void;
  /** @param sourceAddress loopback address the connection will come from; 127.0.0.1 if it is not said */
  announce(id: number, sourcePort: number, sourceAddress?: string): void;
  abort(id: number): void;
  /** For a process that exits. */
  finish(limits: LastWordsLimits): Promise<LastWords>;
  close(): void;
}

/**
 * Loopback relay between the app's sockets and streams of the agent. A connection counts as the app's only if its source
 * was announced by the app's thread: no secret travels in the byte stream. The port alone would not do, as any process may
 * bind a port that libuv has bound (SO_REUSEADDR); the address is a secret where the system has more than one on loopback.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const { link, report, catchUp = () => {}, matchMs = 2_000, announcedMs = 60_000, maxUnmatched = 256 } = options;
  /** Asked for, and not answered yet. */
  const opening = new Map<number, AbortController>();
  /** Connected in the pod, and not yet matched with a socket. */
  const opened = new Map<number, MuxStream>();
  /** Announced sources (`address:port`) whose connection has not been accepted. */
  const announced = new Map<string, { id: number; timer: NodeJS.Timeout }>();
  /** Accepted connections that nobody has announced. */
  const unmatched = new Map<string, { socket: Socket; timer: NodeJS.Timeout }>();
  const sockets = new Set<Socket>();
  /** Connections that carry data, and their streams. */
  const joined = new Map<Socket, MuxStream>();

  function accept(socket: Socket): void {
    const source = `${socket.remoteAddress}:${socket.remotePort}`;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Until it is spliced, an error is only the end of a connection that nobody uses.
    socket.on('error', () => {});
    if (socket.remotePort === undefined) return void socket.destroy();
    if (!announced.has(source)) catchUp();
    const expected = announced.get(source);
    if (expected) {
      clearTimeout(expected.timer);
      announced.delete(source);
      join(expected.id, socket);
      return;
    }
    if (unmatched.size >= maxUnmatched) return void resetSocket(socket);
    const timer = setTimeout(() => resetSocket(socket), matchMs);
    const entry = { socket, timer };
    unmatched.set(source, entry);
    socket.once('close', () => {
      clearTimeout(timer);
      if (unmatched.get(source) === entry) unmatched.delete(source);
    });
  }

  function join(id: number, socket: Socket): void {
    const stream = opened.get(id);
    opened.delete(id);
    if (!stream) return void resetSocket(socket);
    joined.set(socket, stream);
    socket.once('close', () => joined.delete(socket));
    spliceSocket(stream, socket, loseConnection);
  }

  function drop(id: number): void {
    opened.get(id)?.reset('ECONNRESET');
    opened.delete(id);
  }

  const relay = {
    connect(id: number, { host, port, localAddress }: ConnectTarget) {
      const abort = new AbortController();
      opening.set(id, abort);
      link()
        .open({ kind: 'tcp', host, port, ...(localAddress && { localAddress }) }, abort.signal)
        .then(
          (stream) => {
            if (!opening.delete(id)) return stream.reset('ECONNRESET');
            opened.set(id, stream);
            const { podAddress, peerAddress } = stream.answer;
            report(id, { ok: true, podAddress, peerAddress });
          },
          (error: unknown) => {
            if (opening.delete(id)) report(id, { ok: false, code: connectCode(error) });
          },
        );
    },
    announce(id: number, sourcePort: number, sourceAddress = '127.0.0.1') {
      const source = `${sourceAddress}:${sourcePort}`;
      const waiting = unmatched.get(source);
      if (waiting) {
        clearTimeout(waiting.timer);
        unmatched.delete(source);
        join(id, waiting.socket);
        return;
      }
      const expire = () => {
        if (announced.get(source)?.id !== id) return;
        announced.delete(source);
        drop(id);
      };
      // The same source twice: the first connection has never come, and its port is free again.
      const stale = announced.get(source);
      if (stale) {
        clearTimeout(stale.timer);
        drop(stale.id);
      }
      // A connection that came while this thread was busy is accepted in the phase after the timers: look once more then.
      const timer = setTimeout(() => setImmediate(expire), announcedMs);
      announced.set(source, { id, timer });
    },
    abort(id: number) {
      opening.get(id)?.abort();
      opening.delete(id);
      drop(id);
      for (const [source, entry] of announced) {
        if (entry.id !== id) continue;
        clearTimeout(entry.timer);
        announced.delete(source);
      }
    },
    finish: (limits: LastWordsLimits) =>
      deliverLastWords(sockets, joined, { ...limits, unsent: () => link().unsent ?? 0 }),
    close() {
      server.close();
      for (const id of [...opening.keys(), ...opened.keys()]) relay.abort(id);
      for (const socket of sockets) socket.destroy();
    },
  };

  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // A burst of connects is as normal as one: the default of 511 waiting connections is too small for it.
    server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve);
  });
  server.on('error', () => {});
  return Object.assign(relay, { port: (server.address() as { port: number }).port });
}

/** The system error the app gets: what the agent's connect said, or what a broken link means for a connection. */
function connectCode(error: unknown): string {
  if (isMirrordError(error)) return error.code.includes('TIMEOUT') ? 'ETIMEDOUT' : 'ECONNRESET';
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && code !== 'ABORT_ERR' ? code : 'ECONNREFUSED';
}
