import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../support/eventually';
import { whyNot } from '../pod-node';
import { deliverTo, tcpServer } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();
const to = { host: POD_IP, port: 8080 };
const MIB = 1024 * 1024;
/** Megabytes each way. */
const SIZE = 1024;
const BODY = 256;

/** Runs in a peer: sends and receives that many megabytes on one connection; gives the hash of what came, and its size. */
const stream = ({ args, require }: any): Promise<{ size: number; hash: string; end: string }> =>
  new Promise((resolve) => {
    const hash = require('node:crypto').createHash('sha256');
    const socket = require('node:net').connect({ host: args.host, port: args.port, allowHalfOpen: true });
    let size = 0;
    let left = args.megabytes;
    const done = (end: string) => resolve({ size, hash: hash.digest('hex'), end });
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length;
      hash.update(chunk);
    });
    socket.on('error', (error: any) => done(error.code));
    socket.on('end', () => done('end'));
    const write = () => {
      while (left > 0) if (!socket.write(Buffer.alloc(1024 * 1024, left-- % 251))) return socket.once('drain', write);
      socket.end();
    };
    if (args.head) socket.write(args.head);
    write();
  });

/** The hash of what `stream` sends. */
function hashOf(megabytes: number): string {
  const hash = createHash('sha256');
  for (let left = megabytes; left > 0; left--) hash.update(Buffer.alloc(MIB, left % 251));
  return hash.digest('hex');
}

/** Kilobytes that a process holds in memory. */
const residentOf = (pid: number) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);

const workerOf = (supervisor: number) =>
  Number(readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').split(' ')[0]);

describe.skipIf(reason)('much that is stolen', () => {
  let world: IncomingWorld;
  let client: Client;
  let worker: number;
  beforeAll(async () => {
    world = await startIncomingWorld();
    client = await world.connect();
    worker = workerOf(world.agent.pid());
  });
  afterAll(async () => {
    await client?.link.close();
    world?.close();
  });

  it('1 GiB goes both ways on one connection, and the agent holds little of it', async () => {
    deliverTo(client, await tcpServer((socket) => socket.pipe(socket)));
    const subscription = await client.subscribe(to);
    const before = residentOf(worker);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, residentOf(worker));
    }, 100);
    const { size, hash, end } = await world.caller.run(stream, { ...to, megabytes: SIZE });
    clearInterval(watch);
    expect({ size, hash, end }).toEqual({ size: SIZE * MIB, hash: hashOf(SIZE), end: 'end' });
    console.log(`1 GiB each way: the agent held ${before >> 10} MiB before and ${most >> 10} MiB at most`);
    // Two windows of 4 MiB, what the link keeps until it is acknowledged (32 MiB each way), and what Node has not collected.
    expect(most - before).toBeLessThan(192 * 1024);
    await client.unsubscribe(subscription);
  }, 480_000);

  it('a body of 256 MiB passes a filter to the developer and back', async () => {
    const head = `POST /mine HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY * MIB}\r\n\r\n`;
    const answer = `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${BODY * MIB}\r\n\r\n`;
    deliverTo(
      client,
      await tcpServer((socket) => {
        let rest = head.length;
        socket.on('end', () => socket.end());
        socket.on('data', (chunk) => {
          if (rest === head.length) socket.write(answer);
          const body = chunk.subarray(Math.min(rest, chunk.length));
          rest -= chunk.length - body.length;
          if (body.length > 0 && !socket.write(body)) socket.pause().once('drain', () => socket.resume());
        });
      }),
    );
    const subscription = await client.subscribe({ ...to, filter: { path: '^/mine' } });
    const before = residentOf(worker);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, residentOf(worker));
    }, 100);
    const { size, end } = await world.caller.run(stream, { ...to, megabytes: BODY, head });
    clearInterval(watch);
    expect({ size, end }).toEqual({ size: BODY * MIB + answer.length, end: 'end' });
    console.log(`256 MiB through a filter: the agent held ${before >> 10} MiB before and ${most >> 10} MiB at most`);
    expect(most - before).toBeLessThan(192 * 1024);
    await client.unsubscribe(subscription);
  }, 480_000);

  it.each([
    ['the developer', 'pull'],
    ['the caller', 'push'],
  ])(
    '%s who does not read holds the other end up, and reads all in the end',
    async (_who, direction) => {
      let received = 0;
      let sent = 0;
      let go = () => {};
      const opened = new Promise<void>((resolve) => {
        go = resolve;
      });
      deliverTo(
        client,
        await tcpServer((socket) => {
          if (direction === 'pull') {
            void opened.then(() => socket.on('data', (chunk) => (received += chunk.length)));
            return;
          }
          socket.on('data', () => {});
          const fill = Buffer.alloc(MIB);
          const write = () => {
            while (sent < 64) {
              sent += 1;
              if (!socket.write(fill)) return void socket.once('drain', write);
            }
            socket.end();
          };
          write();
        }),
      );
      const subscription = await client.subscribe(to);
      await world.caller.run(
        ({ args, kept, require }: any) => {
          const socket = require('node:net').connect({ host: args.host, port: args.port });
          kept.state = { sent: 0, received: 0 };
          kept.socket = socket.on('error', () => {});
          // Whoever speaks first is not waited for long.
          if (args.direction === 'push') return void socket.pause();
          const fill = Buffer.alloc(1024 * 1024);
          const write = () => {
            while (kept.state.sent < 64) {
              kept.state.sent += 1;
              if (!socket.write(fill)) return void socket.once('drain', write);
            }
          };
          write();
        },
        { ...to, direction },
      );
      const state = () =>
        world.caller.run(({ kept }: any) => kept.state) as Promise<{ sent: number; received: number }>;
      const progress = async () => (direction === 'pull' ? (await state()).sent : sent);
      // It stands still once windows and buffers on the way are full, far from the end.
      let last = -1;
      await eventually('the sender to stand still', async () => {
        const now = await progress();
        const stands = now > 0 && now === last;
        last = now;
        await new Promise((resolve) => setTimeout(resolve, 500));
        return stands;
      });
      expect(last).toBeLessThan(64);
      expect(last).toBeGreaterThan(0);
      go();
      await world.caller.run(({ kept }: any) => {
        kept.socket.on('data', (chunk: Buffer) => {
          kept.state.received += chunk.length;
        });
        kept.socket.resume();
      });
      await eventually(
        'all of it',
        async () => (direction === 'pull' ? received : (await state()).received) === 64 * MIB,
        30_000,
      );
      await world.caller.run(({ kept }: any) => kept.socket.destroy());
      await client.unsubscribe(subscription);
    },
    60_000,
  );

  it('a reset goes through, both ways', async () => {
    const errors: string[] = [];
    deliverTo(
      client,
      await tcpServer((socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code!));
        socket.on('data', (chunk) => {
          socket.write('half of');
          if (String(chunk) === 'reset') setTimeout(() => socket.resetAndDestroy(), 100);
        });
      }),
    );
    const subscription = await client.subscribe(to);
    const talk = (text: string) =>
      world.caller.run(
        ({ args, require }: any) =>
          new Promise<string>((resolve) => {
            const socket = require('node:net').connect({ host: args.host, port: args.port });
            let got = '';
            socket.write(args.text);
            socket.on('data', (chunk: Buffer) => {
              got += chunk;
              if (args.text !== 'reset') resolve(`${got} ${Boolean(socket.resetAndDestroy())}`);
            });
            socket.on('error', (error: any) => resolve(`${got} ${error.code}`));
            socket.on('end', () => resolve(`${got} end`));
          }),
        { ...to, text },
      );
    expect(await talk('reset')).toBe('half of ECONNRESET');
    expect(errors).toEqual([]);
    expect(await talk('leave')).toBe('half of true');
    await eventually('the developer to be told', async () => errors.length > 0);
    expect(errors).toEqual(['ECONNRESET']);
    await client.unsubscribe(subscription);
  });
});
