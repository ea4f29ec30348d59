import { createServer, type Server, type Socket } from 'node:net';
import { isMirrordError } from '../errors';
import type { AgentLink, MuxStream } from '../protocol/session-types';
import { spliceSocket } from '../protocol/splice';
import type { WireOutcome } from './messages';

export interface RelayOptions {
  /** The link to open streams on; asked for each time, as it may be replaced. */
  link: () => Pick<AgentLink, 'open'>;
  /** What became of a connection the app asked for. */
  report: (id: number, outcome: WireOutcome) => void;
  /** Milliseconds an announcement and its connection wait for each other. */
  matchMs?: number;
  /** Accepted connections that may wait for their announcement at a time; further ones are dropped. */
  maxUnmatched?: number;
}

export interface Relay {
  /** Loopback port. */
  readonly port: number;
  connect(id: number, host: string, port: number): void;
  announce(id: number, sourcePort: number): void;
  abort(id: number): void;
  close(): void;
}

/**
 * Loopback relay between the app's sockets and streams of the agent. A connection counts as the app's only if its source
 * port was announced by the app's thread: no secret travels in the byte stream, and nobody else on this host gets through.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const { link, report, matchMs = 2_000, maxUnmatched = 256 } = options;
  /** Asked for, and not answered yet. */
  const opening = new Map<number, AbortController>();
  /** Connected in the pod, and not yet matched with a socket. */
  const opened = new Map<number, MuxStream>();
  /** Announced source ports whose connection has not been accepted. */
  const announced = new Map<number, { id: number; timer: NodeJS.Timeout }>();
  /** Accepted connections that nobody has announced. */
  const unmatched = new Map<number, { socket: Socket; timer: NodeJS.Timeout }>();
  const sockets = new Set<Socket>();

  function accept(socket: Socket): void {
    const sourcePort = socket.remotePort;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Until it is spliced, an error is only the end of a connection that nobody uses.
    socket.on('error', () => {});
    if (sourcePort === undefined) return void socket.destroy();
    const expected = announced.get(sourcePort);
    if (expected) {
      clearTimeout(expected.timer);
      announced.delete(sourcePort);
      join(expected.id, socket);
      return;
    }
    if (unmatched.size >= maxUnmatched) return void socket.resetAndDestroy();
    const timer = setTimeout(() => socket.resetAndDestroy(), matchMs);
    const entry = { socket, timer };
    unmatched.set(sourcePort, entry);
    socket.once('close', () => {
      clearTimeout(timer);
      if (unmatched.get(sourcePort) === entry) unmatched.delete(sourcePort);
    });
  }

  function join(id: number, socket: Socket): void {
    const stream = opened.get(id);
    opened.delete(id);
    if (stream) spliceSocket(stream, socket);
    else socket.resetAndDestroy();
  }

  function drop(id: number): void {
    opened.get(id)?.reset('ECONNRESET');
    opened.delete(id);
  }

  const relay = {
    connect(id: number, host: string, port: number) {
      const abort = new AbortController();
      opening.set(id, abort);
      link()
        .open({ kind: 'tcp', host, port }, abort.signal)
        .then(
          (stream) => {
            if (!opening.delete(id)) return stream.reset('ECONNRESET');
            opened.set(id, stream);
            report(id, { ok: true, podAddress: stream.answer.podAddress });
          },
          (error: unknown) => {
            if (opening.delete(id)) report(id, { ok: false, code: connectCode(error) });
          },
        );
    },
    announce(id: number, sourcePort: number) {
      const waiting = unmatched.get(sourcePort);
      if (waiting) {
        clearTimeout(waiting.timer);
        unmatched.delete(sourcePort);
        join(id, waiting.socket);
        return;
      }
      const expire = () => {
        if (announced.get(sourcePort)?.id !== id) return;
        announced.delete(sourcePort);
        drop(id);
      };
      // A connection that came while this thread was busy is accepted in the phase after the timers: look once more then.
      const timer = setTimeout(() => setImmediate(expire), matchMs);
      announced.set(sourcePort, { id, timer });
    },
    abort(id: number) {
      opening.get(id)?.abort();
      opening.delete(id);
      drop(id);
      for (const [sourcePort, entry] of announced) {
        if (entry.id !== id) continue;
        clearTimeout(entry.timer);
        announced.delete(sourcePort);
      }
    },
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
