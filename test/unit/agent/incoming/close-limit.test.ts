import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toAddress } from '../../../../src/agent/incoming/connections';
import { compileFilter } from '../../../../src/agent/incoming/filter/compile';
import { SessionIncoming } from '../../../../src/agent/incoming/session-incoming';
import type { Subscriber } from '../../../../src/agent/incoming/subscriber';
import { takeConnection } from '../../../../src/agent/incoming/take-connection';
import { createLog } from '../../../../src/agent/log';
import type { HttpFilter } from '../../../../src/protocol/contract';
import type { MuxStream } from '../../../../src/protocol/session-types';
import type { Tunnel } from '../../../../src/tunnel/tunnel';
import { linkInProcess } from '../link';
import { until } from '../pod-node';

// Real connections, a real link and all of the agent's way of a connection but the traffic rules.
const LIMIT_MS = 300;
const log = createLog({ level: 'error', json: false, part: 'test' });

let pod: Server;
let door: Server;
let link: Tunnel;
/** What the agent has of the caller, and what the developer has. */
let taken: Socket | undefined;
let stream: MuxStream | undefined;
let subscribers: Subscriber[];
let caller: Socket;

beforeEach(async () => {
  taken = undefined;
  stream = undefined;
  subscribers = [];
  pod = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\npod'));
  });
  await new Promise<void>((resolve) => pod.listen(0, '127.0.0.1', resolve));
  const podAddress = toAddress('127.0.0.1', (pod.address() as { port: number }).port);
  door = createServer({ allowHalfOpen: true }, (socket) => {
    taken = socket.on('error', () => {});
    const peerAddress = toAddress(socket.remoteAddress, socket.remotePort);
    const context = { active: () => subscribers, exemption: { address: '127.0.0.1', group: 1 }, log };
    void takeConnection({ socket, podAddress, peerAddress }, context);
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  caller?.destroy();
  await link?.close();
  taken?.destroy();
  door.close();
  pod.close();
});

async function steal(filter?: HttpFilter): Promise<void> {
  link = await linkInProcess((connection) => {
    const incoming = {
      release() {
        subscribers = [];
      },
    };
    const session = new SessionIncoming(incoming as never, connection, 'test', LIMIT_MS);
    connection.onClose(() => session.release());
    const params = { port: 1, mode: 'steal', onConcurrentSteal: 'abort', keepProbes: false, owner: 'test' } as const;
    subscribers = [{ id: 1, session, params, matches: filter && compileFilter(filter), since: new Date() }];
  });
  link.onOpen((request) => {
    stream = request.accept({});
    stream.onData = (chunk) => stream!.consumed(chunk.byteLength);
  });
}

/** A caller that says that and reads nothing. */
async function call(text: string): Promise<void> {
  caller = connect({ port: (door.address() as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true });
  caller.on('error', () => {}).pause();
  caller.write(text);
  await until('the developer to have it', () => stream);
}

/** Writes until the kernel takes no more of it, and little enough that all of it has come to the agent. */
async function fill(size = 64 * 1024): Promise<void> {
  for (let chunks = 0; chunks < 4_000; chunks++) {
    const before = taken!.bytesWritten;
    stream!.write(Buffer.alloc(size, 'x'));
    await until('the agent to have passed it on', () => taken!.bytesWritten > before);
    await until('the kernel to take it', () => taken!.writableLength === 0, 500).catch(() => {});
    if (taken!.writableLength > 0) return;
  }
  throw new Error('the kernel takes whatever comes');
}

const answer = () => stream!.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n'));
const cut = () => until('the connection to be cut', () => taken!.destroyed);

it('bytes that nobody reads are waited for no longer when the session ends', async () => {
  await steal();
  await call('hello');
  await fill();
  stream!.end();
  await until('the end to be there', () => taken!.writableEnded);
  await link.close();
  expect(taken!.destroyed).toBe(false);
  await cut();
});

it('nor are those of a connection that both ends had ended before', async () => {
  await steal();
  await call('hello');
  await fill();
  const closed = new Promise<void>((resolve) => {
    stream!.onClose = resolve;
  });
  caller.end();
  stream!.end();
  await closed;
  await until('the end to be there', () => taken!.writableEnded);
  await link.close();
  await sleep(10);
  expect(taken!.destroyed).toBe(false);
  await cut();
});

it('nor is an answer in HTTP/1.1', async () => {
  await steal({ path: '^/mine' });
  await call('GET /mine HTTP/1.1\r\nHost: a\r\n\r\n');
  answer();
  await fill();
  await link.close();
  await cut();
});

it('nor is what follows an upgrade', async () => {
  await steal({ path: '^/mine' });
  await call('GET /mine HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
  stream!.write(Buffer.from('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'));
  await fill();
  await link.close();
  await cut();
});

it('a caller that has read all keeps its connection, and the pod answers on it', async () => {
  await steal({ path: '^/mine' });
  await call('GET /mine HTTP/1.1\r\nHost: a\r\n\r\n');
  let heard = '';
  caller.on('data', (chunk) => (heard += chunk)).resume();
  stream!.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndeveloper'));
  await until('the answer', () => heard.endsWith('developer'));
  await link.close();
  await sleep(2 * LIMIT_MS);
  caller.write('GET /mine HTTP/1.1\r\nHost: a\r\n\r\n');
  await until("the pod's answer", () => heard.endsWith('pod'));
  expect(taken!.destroyed).toBe(false);
});

it('a caller that begins to read in time gets all of it', async () => {
  await steal();
  await call('hello');
  await fill();
  const sent = taken!.bytesWritten;
  stream!.end();
  await until('the end to be there', () => taken!.writableEnded);
  await link.close();
  let received = 0;
  const ended = new Promise<void>((resolve) => caller.once('end', resolve));
  caller.on('data', (chunk) => (received += chunk.length)).resume();
  await ended;
  expect(received).toBe(sent);
});

it('a caller that is slow to read an answer behind which its connection ends gets all of it', async () => {
  await steal({ path: '^/mine' });
  await call('GET /mine HTTP/1.1\r\nHost: a\r\n\r\n');
  stream!.write(Buffer.from('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'));
  // So little that nobody waits for it to be read.
  await fill(8 * 1024);
  const sent = taken!.bytesWritten;
  stream!.end();
  await until('the end to be there', () => taken!.writableEnded);
  // Longer than somebody may take to go who has read it.
  await sleep(2_500);
  let received = 0;
  const ended = new Promise<void>((resolve) => caller.once('close', () => resolve()));
  caller.on('data', (chunk) => (received += chunk.length)).on('end', () => caller.end());
  caller.resume();
  await ended;
  expect(received).toBe(sent);
});
