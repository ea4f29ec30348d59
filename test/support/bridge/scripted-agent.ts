import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server } from 'node:net';
import { SessionAcceptor } from '../../../src/protocol/acceptor';
import type { IncomingSubscription } from '../../../src/protocol/contract';
import { spliceSocket } from '../../../src/protocol/splice';
import { toWireError } from '../../../src/protocol/wire-errors';
import { scriptIncoming } from './scripted-incoming';
import { TOKEN } from './token';

export { TOKEN };

export interface ScriptedAgent {
  port: number;
  /** Names of the methods that were called, in order. */
  calls: string[];
  /** What was asked of `incoming.subscribe`, in order. */
  subscriptions: IncomingSubscription[];
  /** Sessions that are there, live or parked. */
  sessions(): number;
  /** Cuts every transport; sessions are parked. */
  cut(): void;
  close(): Promise<void>;
}

/**
 * An agent in this process, with the real protocol over TCP. `fs.readFile` of `/size/N` gives N bytes, `fs.access` of
 * `/never` never answers, `fs.stat` fails with ENOENT; connections go to this host.
 */
export async function startScriptedAgent(podEnv: Record<string, string> = { FROM_POD: 'yes' }): Promise<ScriptedAgent> {
  const calls: string[] = [];
  const subscriptions: IncomingSubscription[] = [];
  const sockets = new Set<import('node:net').Socket>();
  const acceptor = new SessionAcceptor({
    verifyToken: (token) => token === TOKEN,
    hello: () => ({ agentVersion: 'scripted' }),
    now: () => performance.now(),
    setTimer: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    onSession(connection) {
      const incoming = scriptIncoming(connection);
      connection.onCall(async (method, params) => {
        calls.push(method);
        if (method === 'incoming.subscribe') {
          subscriptions.push(params as IncomingSubscription);
          return { result: await incoming.subscribe(params as IncomingSubscription) };
        }
        if (method === 'incoming.unsubscribe') {
          return { result: await incoming.unsubscribe((params as { subscription: number }).subscription) };
        }
        return answer(method, params as Record<string, any>, podEnv);
      });
      connection.onOpen((request) => {
        const socket = connect({ host: '127.0.0.1', port: request.metadata.port, allowHalfOpen: true });
        socket.once('error', (error) => request.refuse(toWireError(error)));
        request.onAbort = () => socket.destroy();
        socket.once('connect', () => {
          const stream = request.accept({
            podAddress: { address: '10.1.2.3', port: 40_000, family: 4 },
            peerAddress: { address: '127.0.0.1', port: request.metadata.port, family: 4 },
          });
          spliceSocket(stream, socket);
        });
      });
    },
  });
  const server: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    acceptor.accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    subscriptions,
    sessions: () => acceptor.sessions,
    cut,
    close: () =>
      new Promise((resolve) => {
        acceptor.close();
        server.close(() => resolve());
        setTimeout(cut, 50);
      }),
  };
}

async function answer(method: string, params: Record<string, any>, podEnv: Record<string, string>): Promise<any> {
  if (method === 'info') return { result: info };
  if (method === 'env') return { result: { env: podEnv } };
  if (method === 'fs.readFile') {
    const size = Number(/\/size\/(\d+)/.exec(params.path)?.[1] ?? 0);
    return { result: { stat: stat(BigInt(size)) }, raw: new Uint8Array(size).fill(0x61) };
  }
  if (method === 'fs.access' && params.path === '/never') return new Promise(() => {});
  if (method === 'fs.realpath') return { result: { path: params.path } };
  throw Object.assign(new Error('ENOENT: no such file or directory'), {
    code: 'ENOENT',
    errno: -2,
    syscall: 'stat',
    path: params.path,
  });
}

const info = {
  agentVersion: 'scripted',
  nodeVersion: process.version,
  hostname: 'pod-of-the-test',
  targeted: true,
  families: { ipv4: true, ipv6: false },
  targetPid: 1,
};

function stat(size: bigint) {
  const zero = 0n;
  return {
    ...{ dev: zero, ino: 2n ** 60n, mode: 0o100644n, nlink: 1n, uid: zero, gid: zero, rdev: zero, size },
    ...{ blksize: 4096n, blocks: 8n, atimeNs: 1n, mtimeNs: 2n, ctimeNs: 3n, birthtimeNs: 4n },
  };
}
