import { type ClientHttp2Session, connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { RequestFacts } from '../../../../../src/agent/incoming/filter/compile';
import { Http2Connection } from '../../../../../src/agent/incoming/http2/connection';
import type { Route } from '../../../../../src/agent/incoming/routing';
import type { Subscriber } from '../../../../../src/agent/incoming/subscriber';
import type { MuxStream } from '../../../../../src/protocol/session-types';

/** A stream of the link that is a socket to a server of this process. */
function toMuxStream(socket: Socket): MuxStream {
  const stream = {
    id: 1,
    answer: {},
    queued: 0,
    write: (chunk: Uint8Array) => socket.write(chunk),
    end: () => void socket.end(),
    reset: () => void socket.destroy(),
    consumed: () => {},
    onData: () => {},
    onEnd: () => {},
    onReset: () => {},
    onDrain: () => {},
    onClose: () => {},
  } as unknown as MuxStream;
  socket.on('data', (chunk) => stream.onData(chunk));
  socket.on('end', () => stream.onEnd()).on('drain', () => stream.onDrain());
  socket.on('error', () => {}).on('close', () => stream.onClose());
  return stream;
}

export const portOf = (server: Server): number => (server.address() as { port: number }).port;

export async function listen<T extends Server>(server: T): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const dial = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    socket.once('error', reject).once('connect', () => resolve(socket.off('error', reject).on('error', () => {})));
  });

export interface Between {
  port: number;
  /** As many as are open. */
  connections: Set<Socket>;
  subscriber: Subscriber;
  close(): void;
}

export interface BetweenOptions {
  pod: number;
  developer?: number;
  /** Who gets it: `taken`, a `copy`, or neither. */
  decide?(facts: RequestFacts): 'taken' | 'copy' | 'both' | undefined;
  needsBody?: boolean;
  fallback?: 'pod';
}

/** What the agent does with a connection over HTTP/2 that it has taken, with servers of this process at both ends. */
export async function startBetween({ pod, developer, decide, needsBody, fallback }: BetweenOptions): Promise<Between> {
  const connections = new Set<Socket>();
  const subscriber = {
    id: 1,
    session: {
      name: 'test',
      parked: false,
      open: async () => {
        if (developer === undefined) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
        return toMuxStream(await dial(developer));
      },
      answers: () => {},
      ended: () => {},
    },
    params: { port: 80, mode: 'steal', owner: 'ann', fallback },
    matches: undefined,
    since: new Date(),
  } as unknown as Subscriber;
  const route = (facts: RequestFacts): Route => {
    const decided = decide?.(facts) ?? (/^\/mine/.test(facts.target) ? 'taken' : undefined);
    return {
      winner: decided === 'taken' || decided === 'both' ? subscriber : undefined,
      copies: decided === 'copy' || decided === 'both' ? [subscriber] : [],
    };
  };
  const address = { address: '127.0.0.1', port: 80, family: 4 as const };
  const server = await listen(
    createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      connections.add(socket);
      socket.on('close', () => connections.delete(socket));
      new Http2Connection({
        taken: { socket, podAddress: address, peerAddress: address },
        needsBody: () => needsBody === true,
        route,
        connectToPod: () => dial(pod),
        onLag: () => {},
      });
    }),
  );
  return {
    port: portOf(server),
    connections,
    subscriber,
    close() {
      server.close();
      for (const socket of connections) socket.destroy();
    },
  };
}

/** A server that says its name, the path and the body. */
export function namedServer(name: string, settings = {}): Promise<Server> {
  const server = createHttp2Server({ settings });
  server.on('stream', (stream, headers) => {
    let body = '';
    stream.on('error', () => {});
    stream.on('data', (chunk) => (body += chunk));
    stream.on('end', () => {
      if (stream.closed) return;
      stream.respond({ ':status': 200 });
      stream.end(`${name} ${headers[':path']} [${body}]`);
    });
  });
  return listen(server as never);
}

export interface Answered {
  status: number | undefined;
  text: string;
  code: number | undefined;
}

export function ask(session: ClientHttp2Session, path: string, body?: string | Buffer): Promise<Answered> {
  return new Promise((resolve) => {
    const stream = session.request(
      { ':path': path, ':method': body === undefined ? 'GET' : 'POST' },
      { endStream: body === undefined },
    );
    let text = '';
    let status: number | undefined;
    stream.on('response', (headers) => (status = headers[':status']));
    stream.on('data', (chunk) => (text += chunk));
    stream.on('error', () => {});
    stream.on('close', () => resolve({ status, text, code: stream.rstCode }));
    if (body !== undefined) stream.end(body);
  });
}

export const openSession = (port: number, settings = {}): ClientHttp2Session =>
  connectHttp2(`http://127.0.0.1:${port}`, { settings }).on('error', () => {});
