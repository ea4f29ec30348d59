import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNot } from '../pod-node';
import { deliverTo, httpServer } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();

/**
 * Writes part after part on one connection: a text, a pause in milliseconds, or `{ until }`, a text to wait for. Gives what came
 * back until 500 ms after the last part, and how long the first byte took.
 */
const converse = ({ args, require }: any): Promise<{ got: string; ended: boolean }> =>
  new Promise((resolve) => {
    const socket = require('node:net').connect({
      host: args.host,
      port: args.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    let got = '';
    let ended = false;
    let look = () => {};
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
      look();
    });
    socket.on('end', () => (ended = true));
    socket.on('error', (error: any) => (got += `!${error.code}`));
    const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
    const wait = (text: string) =>
      new Promise<void>((done) => {
        const limit = setTimeout(() => {
          got += `!nothing said ${text}`;
          done();
        }, 25_000);
        look = () => {
          if (!got.includes(text)) return;
          clearTimeout(limit);
          done();
        };
        look();
      });
    const run = async () => {
      for (const part of args.parts) {
        if (typeof part === 'string') socket.write(part, 'latin1');
        else await (typeof part === 'number' ? pause(part) : wait(part.until));
      }
      await pause(500);
      socket.destroy();
      resolve({ got, ended });
    };
    void run();
  });

const drip = (text: string, everyMs: number) => [...text].flatMap((byte) => [byte, everyMs]);

describe.skipIf(reason)('a request that takes its time', () => {
  let world: IncomingWorld;
  let client: Client;
  const talk = (parts: (string | number | { until: string })[], port = 8080) =>
    world.caller.run(converse, { host: POD_IP, port, parts });

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(({ require }: any) => {
      // Tells of each piece that it gets, whatever it is.
      const server = require('node:net').createServer((socket: any) => {
        socket.on('error', () => {});
        socket.on('data', (chunk: Buffer) => socket.write(`<${chunk.toString('latin1')}>`, 'latin1'));
      });
      return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
    });
    client = await world.connect();
    const server = await httpServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => response.end(`developer ${request.url} [${body}]`));
    });
    // Short, so that it ends its idle connections while the ones they are for go on.
    server.keepAliveTimeout = 1_000;
    deliverTo(client, server);
    await client.subscribe({ port: 8080, filter: { path: '^/mine' } });
  });
  afterAll(async () => {
    await client?.link.close();
    world?.close();
  });

  const endless = 'GET /mine HTTP/1.1\r\nHost: a\r\nX-Odd:  b';

  it.concurrent('is the pod’s after 10 s without the end of its head, and its connection stays the pod’s', async () => {
    const later = '\r\n\r\nGET /mine HTTP/1.1\r\nHost: a\r\n\r\n';
    const before = performance.now();
    // What drips in does not begin the time anew.
    const { got, ended } = await talk([...drip(endless, 100), { until: '>' }, later, { until: `<${later}>` }]);
    expect(got.replaceAll('><', '')).toBe(`<${endless}${later}>`);
    expect(ended).toBe(false);
    expect(performance.now() - before).toBeGreaterThan(10_000);
  }, 60_000);

  it.concurrent('is so behind requests that a developer has answered, whose end is not the caller’s', async () => {
    const mine = 'GET /mine HTTP/1.1\r\nHost: a\r\n\r\n';
    const { got, ended } = await talk([
      mine,
      { until: '/mine []' },
      endless,
      { until: `<${endless}>` },
      2_000,
      'more',
      { until: '<more>' },
    ]);
    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n[^<]*developer \/mine \[\]<GET/);
    expect(ended).toBe(false);
  }, 60_000);

  it.concurrent.each(['PRI * HTTP/2.0\r\n', 'GET /mine'])(
    'is the pod’s when it stops within its first line: %j',
    async (line) => {
      const { got } = await talk([...drip(line, 300), { until: '>' }, 500]);
      expect(got.replaceAll('><', '')).toBe(`<${line}>`);
    },
    60_000,
  );

  it.concurrent('may send its body as slowly as it likes', async () => {
    const head = 'POST /mine HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n';
    const { got } = await talk([head, ...drip('a slow body.', 1_000), { until: 'developer' }]);
    expect(got).toContain('developer /mine [a slow body.]');
  }, 60_000);

  it.concurrent('may come late on a connection that is kept, behind empty lines too', async () => {
    const first = 'POST /pod HTTP/1.1\r\nContent-Length: 2\r\n\r\nab';
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    await world.pod.run(
      ({ args, require }: any) =>
        new Promise<void>((resolve) => {
          const server = require('node:net').createServer((socket: any) => {
            socket.on('error', () => {});
            socket.on('data', () => socket.write(args));
          });
          server.listen(8081, () => resolve());
        }),
      answer,
    );
    await client.subscribe({ port: 8081, filter: { path: '^/mine' } });
    const parts = [
      first,
      { until: answer },
      '\r\n',
      12_000,
      'GET /mine HTTP/1.1\r\nHost: a\r\n\r\n',
      { until: '/mine []' },
    ];
    const { got } = await talk(parts, 8081);
    expect(got.startsWith(answer)).toBe(true);
    expect(got).toContain('developer /mine []');
  }, 60_000);
});
