import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, tcpServer } from './developer';
import { type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();
const to = { host: POD_IP, port: 8080 };

/** Requests one after another on one connection; gives the median and 99th of 100 in ms. */
const measure = async ({ args, require }: any): Promise<{ p50: number; p99: number }> => {
  const http = require('node:http');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let i = 0; i < args.count; i++) {
    const began = performance.now();
    await new Promise((resolve, reject) => {
      http.get({ ...args, agent }, (response: any) => response.resume().on('end', resolve)).on('error', reject);
    });
    times.push(performance.now() - began);
  }
  agent.destroy();
  times.splice(0, args.count / 4);
  times.sort((a, b) => a - b);
  return { p50: times[times.length >> 1]!, p99: times[Math.floor(times.length * 0.99)]! };
};

describe.skipIf(reason)('incoming traffic under load', () => {
  let world: IncomingWorld;
  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(({ require }: any) => {
      const server = require('node:http').createServer((_request: any, response: any) => response.end('pod'));
      server.keepAliveTimeout = 60_000;
      return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
    });
  });
  afterAll(() => world?.close());

  it('500 connections at once and 64 MiB each way arrive whole', async () => {
    const client = await world.connect();
    deliverTo(client, await tcpServer((socket) => socket.pipe(socket)));
    const subscription = await client.subscribe(to);
    const counts = await world.caller.run(async ({ args, require }: any) => {
      const net = require('node:net');
      const one = (bytes: number) =>
        new Promise<number>((resolve) => {
          const socket = net.connect({ ...args, allowHalfOpen: true });
          let got = 0;
          socket.on('data', (chunk: Buffer) => (got += chunk.length));
          socket.on('end', () => resolve(got)).on('error', (error: any) => resolve(error.code));
          let left = bytes;
          const write = () => {
            while (left > 0) {
              const size = Math.min(left, 65_536);
              left -= size;
              if (!socket.write(Buffer.alloc(size, 1))) return socket.once('drain', write);
            }
            socket.end();
          };
          write();
        });
      const many = await Promise.all(Array.from({ length: 500 }, () => one(1000)));
      return { many: [...new Set(many)], big: await one(64 * 1024 * 1024) };
    }, to);
    expect(counts).toEqual({ many: [1000], big: 64 * 1024 * 1024 });
    await client.unsubscribe(subscription);
    await client.link.close();
  }, 60_000);

  it('a client that has stopped does not slow the pod; figures', async () => {
    // The same for all figures, and enough for 800 requests to be more than the queue of a copy holds.
    const load = { ...to, headers: { 'x-fill': 'x'.repeat(8_000) }, count: 800 };
    const direct = await world.caller.run(measure, load);
    const client = await world.connect();
    const passing = await client.subscribe({ ...to, filter: { path: '^/none' } });
    const passed = await world.caller.run(measure, load);
    await client.unsubscribe(passing);
    deliverTo(
      client,
      await tcpServer((socket) =>
        socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ndev')),
      ),
    );
    const stealing = await client.subscribe(to);
    const stolen = await world.caller.run(measure, load);
    await client.unsubscribe(stealing);
    deliverTo(client, await tcpServer((socket) => socket.resume()));
    const first = await client.subscribe({ ...to, mode: 'mirror' });
    const mirrored = await world.caller.run(measure, load);
    await client.unsubscribe(first);
    // Accepts each copy, and never reads a byte of it.
    client.onTaken = ({ stream }) => void stream;
    await client.subscribe({ ...to, mode: 'mirror' });
    const paused = await world.caller.run(measure, load);
    console.log(JSON.stringify({ direct, passed, stolen, mirrored, paused }));
    // All were answered, and the copy that was not read has ended.
    expect(world.agent.stderr()).toContain('a copy ended: the client reads too slowly');
    expect(await world.caller.run(ask, to)).toBe('200 pod');
    await client.link.close();
  }, 60_000);

  const body = { body: { query: '$.a', matches: '1' } };
  it.each([
    ['a filter, and a client that resets', { filter: { anyOf: [{ path: '^/mine' }, body] } }, 'reset'],
    ['a filter, and a client that answers nonsense', { filter: { path: '^/mine' } }, 'nonsense'],
    ['a filter, and a client that refuses', { filter: { path: '^/mine' } }, undefined],
    ['all of the port', {}, 'nonsense'],
    ['a mirror', { mode: 'mirror' as const, filter: { path: '^/' } }, 'nonsense'],
  ])(
    'nothing a caller sends ends the agent: %s',
    async (_name, params, answer) => {
      const client = await world.connect();
      if (answer === 'reset') client.onTaken = ({ stream }) => stream.reset('ECONNRESET');
      if (answer === 'nonsense') {
        client.onTaken = ({ stream }) => {
          stream.onData = (chunk) => {
            stream.consumed(chunk.byteLength);
            stream.write(randomBytes(50));
          };
        };
      }
      const subscription = await client.subscribe({ ...to, ...params });
      const seed = Date.now() % 1_000_000;
      console.log(`seed ${seed}`);
      const file = new URL('./fixtures/fuzzer.cjs', import.meta.url).pathname;
      await world.caller.run(({ args, require }: any) => require(args.file).fuzz(args.to, args.seed, 6), {
        file,
        to,
        seed,
      });
      expect(world.agent.process.exitCode).toBe(null);
      expect(world.agent.stderr()).not.toMatch(/ended by itself|AGENT_WORKER_FAILED|uncaught/i);
      expect(client.ended).toEqual([]);
      await client.unsubscribe(subscription);
      expect(await world.caller.run(ask, to)).toBe('200 pod');
      await client.link.close();
    },
    90_000,
  );
});
