import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer, tcpServer } from './developer';
import { CALLER_IP, type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();
if (reason) console.warn(`skipped: incoming traffic at the agent (${reason})`);

const ASK = { host: POD_IP, port: 8080 };

describe.skipIf(reason)('a port that is stolen', () => {
  let world: IncomingWorld;
  const clients: Client[] = [];
  let parked = false;
  const connect = async (name?: string) => {
    const client = await world.connect(name);
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(async ({ require, kept }: any) => {
      const http = require('node:http');
      const listen = (port: number, host: string | undefined, name: string) =>
        new Promise((resolve) => {
          const server = http.createServer((request: any, response: any) => {
            response.end(`${name} ${request.url} ${request.socket.remoteAddress}`);
          });
          server.keepAliveTimeout = 60_000;
          kept[name] = server.listen(port, host, resolve);
        });
      await listen(8080, undefined, 'pod');
      await listen(8081, '10.98.0.1', 'pod-ip-only');
      await listen(8082, '127.0.0.1', 'loopback-only');
    });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) void client.link.close();
    if (!parked) await until('the rules to be gone', () => !world.rules().includes('mirrord'));
  });
  afterAll(() => world?.close());

  it('goes to the client from outside and inside the pod, and back to the pod afterwards', async () => {
    const client = await connect();
    deliverTo(client, await httpServer((request, response) => response.end(`developer ${request.url}`)));
    expect(await world.caller.run(ask, ASK)).toBe(`200 pod / ::ffff:${CALLER_IP}`);
    const subscription = await client.subscribe({ port: 8080 });
    expect(await world.caller.run(ask, { ...ASK, path: '/x' })).toBe('200 developer /x');
    expect(await world.pod.run(ask, { ...ASK, path: '/y' })).toBe('200 developer /y');
    expect(await world.pod.run(ask, { ...ASK, host: '127.0.0.1' })).toBe('200 developer /');
    expect(client.seen[0]).toMatchObject({
      kind: 'incoming',
      subscription,
      mode: 'steal',
      port: 8080,
      podAddress: { address: POD_IP, port: 8080, family: 4 },
      peerAddress: { address: CALLER_IP, family: 4 },
    });
    expect(client.seen[2]!.podAddress.address).toBe('127.0.0.1');
    await client.unsubscribe(subscription);
    expect(await world.caller.run(ask, ASK)).toMatch(/^200 pod/);
    await until('the rules to be gone', () => !world.rules().includes('mirrord'));
  });

  it('says 502 with a reason when nobody listens, resets what is no HTTP, or goes to the pod when asked to', async () => {
    const client = await connect();
    const subscription = await client.subscribe({ port: 8080, owner: 'alice' });
    expect(await world.caller.run(ask, ASK)).toBe(
      '502 mirrord: this request to port 8080 is taken by alice, and was not answered: no process of theirs listens on it now\n',
    );
    const raw = await world.caller.run(
      ({ require, args }: any) =>
        new Promise((resolve) => {
          const socket = require('node:net').connect(args);
          socket.on('error', (error: any) => resolve(error.code)).on('close', () => resolve('closed'));
          socket.write('\x00\x01\x02');
        }),
      ASK,
    );
    expect(raw).toBe('ECONNRESET');
    await client.unsubscribe(subscription);
    await client.subscribe({ port: 8080, fallback: 'pod' });
    expect(await world.caller.run(ask, ASK)).toMatch(/^200 pod/);
  });

  it('leaves health checks with the pod unless asked for', async () => {
    const client = await connect();
    deliverTo(client, await httpServer((_request, response) => response.end('developer')));
    const probe = { ...ASK, headers: { 'User-Agent': 'kube-probe/1.32' } };
    const first = await client.subscribe({ port: 8080 });
    expect(await world.caller.run(ask, probe)).toMatch(/^200 pod/);
    expect(await world.caller.run(ask, ASK)).toBe('200 developer');
    await client.unsubscribe(first);
    await client.subscribe({ port: 8080, keepProbes: false });
    expect(await world.caller.run(ask, probe)).toBe('200 developer');
  });

  it('reaches an application that listens on the pod address only, or on loopback only', async () => {
    const client = await connect();
    await client.subscribe({ port: 8081, fallback: 'pod' });
    await client.subscribe({ port: 8082, fallback: 'pod' });
    expect(await world.caller.run(ask, { ...ASK, port: 8081 })).toMatch(/^200 pod-ip-only/);
    expect(await world.pod.run(ask, { ...ASK, port: 8081 })).toMatch(/^200 pod-ip-only/);
    expect(await world.pod.run(ask, { host: '127.0.0.1', port: 8082 })).toMatch(/^200 loopback-only/);
  });

  it('leaves connections that stand alone, and lets stolen ones finish when the subscription ends', async () => {
    const client = await connect();
    const server = await tcpServer((socket) => socket.on('data', (data) => socket.write(`developer ${data}`)));
    deliverTo(client, server);
    const open = ({ require, kept, args }: any) =>
      new Promise((resolve) => {
        kept[args.name] = require('node:net').connect(args, () => resolve(undefined));
        kept[args.name].on('error', () => {});
      });
    const talk = ({ kept, args }: any): Promise<string> =>
      new Promise((resolve) => {
        kept[args.name].once('data', (data: Buffer) => resolve(String(data)));
        kept[args.name].once('close', () => resolve('closed'));
        kept[args.name].write(args.text);
      });
    const GET = 'GET /old HTTP/1.1\r\nHost: x\r\n\r\n';
    await world.caller.run(open, { ...ASK, name: 'old' });
    expect(await world.caller.run(talk, { name: 'old', text: GET })).toContain('pod /old');
    const subscription = await client.subscribe({ port: 8080 });
    expect(await world.caller.run(talk, { name: 'old', text: GET })).toContain('pod /old');
    await world.caller.run(open, { ...ASK, name: 'stolen' });
    expect(await world.caller.run(talk, { name: 'stolen', text: 'one' })).toBe('developer one');
    await client.unsubscribe(subscription);
    expect(await world.caller.run(ask, ASK)).toMatch(/^200 pod/);
    expect(await world.caller.run(talk, { name: 'stolen', text: 'two' })).toBe('developer two');
    expect(await world.caller.run(talk, { name: 'old', text: GET })).toContain('pod /old');
    expect(world.rules()).toContain('mirrord');
    await world.caller.run(({ kept }: any) => {
      kept.stolen.destroy();
      kept.old.destroy();
    });
  });

  it('resets connections from before when asked to', async () => {
    const client = await connect();
    await world.caller.run(
      ({ require, kept, args }: any) =>
        new Promise((resolve) => {
          kept.flushed = require('node:net').connect(args, () => resolve(undefined));
          kept.gone = new Promise((gone) => kept.flushed.on('error', (error: any) => gone(error.code)));
        }),
      ASK,
    );
    await client.subscribe({ port: 8080, flush: true });
    expect(await world.caller.run(({ kept }: any) => kept.gone)).toBe('ECONNRESET');
  });

  it('goes to the pod while the session is parked', async () => {
    const client = await connect();
    deliverTo(client, await httpServer((_request, response) => response.end('developer')));
    await client.subscribe({ port: 8080 });
    expect(await world.caller.run(ask, ASK)).toBe('200 developer');
    parked = true;
    client.drop();
    await until('the session to be parked', () => world.agent.stderr().includes('session parked'));
    expect(await world.caller.run(ask, ASK)).toMatch(/^200 pod/);
    // Its rules go with the session: at the end of the grace time, or of the agent. Meanwhile it is in nobody's way.
    const restarted = await connect('restarted.js');
    deliverTo(restarted, await httpServer((_request, response) => response.end('restarted')));
    await restarted.subscribe({ port: 8080 });
    expect(await world.caller.run(ask, ASK)).toBe('200 restarted');
  }, 60_000);
});
