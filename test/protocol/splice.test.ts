import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loseConnection } from '../../src/bridge/lose-connection';
import { SessionAcceptor } from '../../src/protocol/acceptor';
import { spliceSocket } from '../../src/protocol/splice';
import { realClock } from '../../src/tunnel/real-clock';
import { memoryPair } from '../../src/tunnel/transports/memory';
import { connectTunnel, type Tunnel } from '../../src/tunnel/tunnel';
import { ANSWER } from './world';

let link: Tunnel;
let acceptor: SessionAcceptor;
let target: Server;
let relay: Server;
let onTarget: (socket: Socket) => void;
const sockets: Socket[] = [];

const listen = async (server: Server) => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as { port: number }).port;
};

/** app socket → relay → link → agent → target, all with real sockets at the ends. */
async function connectApp(): Promise<Socket> {
  const { port } = relay.address() as { port: number };
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

beforeEach(async () => {
  target = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    onTarget(socket);
  });
  const port = await listen(target);
  acceptor = new SessionAcceptor({
    verifyToken: () => true,
    hello: () => ({ agentVersion: 'test' }),
    ...realClock,
    onSession: (connection) => {
      connection.onOpen((request) => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        sockets.push(socket);
        socket.once('connect', () => spliceSocket(request.accept(ANSWER), socket));
      });
    },
  });
  const dial = async () => {
    const [near, far] = memoryPair();
    acceptor.accept(far);
    return near;
  };
  link = await connectTunnel({ dial, token: 't', clientName: 'test' });
  relay = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    sockets.push(socket);
    void link.open({ kind: 'tcp', host: 'x', port: 1 }).then((stream) => spliceSocket(stream, socket, loseConnection));
  });
  await listen(relay);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.on('error', () => {}).destroy();
  await link.close();
  acceptor.close();
  relay.close();
  target.close();
});

/** By events: iterating would destroy the socket at the end, and with it the other direction. */
function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('end', () => resolve(Buffer.concat(chunks)));
    socket.once('error', reject);
  });
}

describe('spliceSocket', () => {
  it('passes a half-close on: the answer comes after the question has ended', async () => {
    onTarget = async (socket) => {
      const question = await readAll(socket);
      socket.end(Buffer.concat([Buffer.from('you said '), question]));
    };
    const app = await connectApp();
    app.end('hello');
    expect((await readAll(app)).toString()).toBe('you said hello');
  });

  it('passes a half-close of the server on, and the app can still send', async () => {
    let heard: Promise<Buffer> | undefined;
    onTarget = (socket) => {
      socket.end('bye');
      heard = readAll(socket);
    };
    const app = await connectApp();
    expect((await readAll(app)).toString()).toBe('bye');
    app.end('still here');
    expect((await heard!).toString()).toBe('still here');
  });

  it('passes a reset of the server on as a reset', async () => {
    onTarget = (socket) => socket.once('data', () => socket.resetAndDestroy());
    const app = await connectApp();
    app.write('x');
    const [error] = await once(app, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
  });

  it('passes a reset of the app on as a reset', async () => {
    let failed: Promise<unknown[]> | undefined;
    onTarget = (socket) => {
      failed = once(socket, 'error');
      socket.write('x');
    };
    const app = await connectApp();
    await once(app, 'data');
    app.resetAndDestroy();
    const [error] = (await failed!) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('resets its sockets when the session ends', async () => {
    onTarget = (socket) => void socket.on('error', () => {}).write('x');
    const app = await connectApp();
    await once(app, 'data');
    const failed = once(app, 'error');
    acceptor.close();
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  it('never lets half of an answer look like the whole when the session ends in the middle', async () => {
    onTarget = (socket) => {
      socket.on('error', () => {});
      const more = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024)));
        socket.once('drain', more);
      };
      more();
    };
    const apps = await Promise.all(Array.from({ length: 20 }, connectApp));
    const outcomes = apps.map(
      (app) =>
        new Promise<string>((resolve) => {
          app.once('end', () => resolve('end'));
          app.once('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
        }),
    );
    await Promise.all(apps.map((app) => once(app, 'data').then(() => app.resume())));
    acceptor.close();
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['ECONNRESET']));
  });

  it('stops the server when the app does not read, and loses nothing', async () => {
    const total = 64 * 1024 * 1024;
    let written = 0;
    onTarget = (socket) => {
      const chunk = Buffer.alloc(65_536);
      const write = () => {
        while (written < total) {
          chunk.writeUInt32BE(written / 65_536);
          written += 65_536;
          if (!socket.write(Buffer.from(chunk))) return void socket.once('drain', write);
        }
        socket.end();
      };
      write();
    };
    const app = await connectApp();
    // Until nothing moves: the kernel's buffers of three sockets and one window are full, and that is not the whole.
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(written).toBeLessThan(total / 2);
    const all = await readAll(app);
    expect(all.byteLength).toBe(total);
    for (let n = 0; n < total / 65_536; n += 1) expect(all.readUInt32BE(n * 65_536)).toBe(n);
  });
});
