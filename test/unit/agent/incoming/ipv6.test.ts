import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer } from './developer';
import { CALLER_IP, CALLER_IP6, type Client, type IncomingWorld, POD_IP, POD_IP6, startIncomingWorld } from './world';

const reason = whyNot();

/** Applications of the pod: on all addresses of both families, on its IPv6 address only, on ::1 only, on all of IPv6 only. */
const startPod = async ({ require, args }: any): Promise<void> => {
  const http = require('node:http');
  const listen = (port: number, options: object) =>
    new Promise<void>((resolve) => {
      const server = http.createServer((request: any, response: any) =>
        response.end(`pod ${request.url} ${request.socket.remoteAddress}`),
      );
      server.listen({ port, ...options }, () => resolve());
    });
  await listen(8080, {});
  await listen(8081, { host: args });
  await listen(8082, { host: '::1' });
  await listen(8083, { host: '::', ipv6Only: true });
};

describe.skipIf(reason)('IPv6', () => {
  let world: IncomingWorld;
  let client: Client;
  // As the agent's container has it: its own connections are told by their group.
  beforeAll(async () => {
    world = await startIncomingWorld({ GROUP: '4242' });
    await world.pod.run(startPod, POD_IP6);
  });
  afterEach(async () => {
    await client.link.close();
    await until('the rules to be gone', () => !world.rules().includes('mirrord'));
  });
  afterAll(() => world?.close());

  const outside = (port: number, path = '/', headers = {}) =>
    world.caller.run(ask, { host: POD_IP6, port, path, headers });
  const inside = (host: string, port: number, path = '/') => world.pod.run(ask, { host, port, path });
  const developer = async () => {
    client = await world.connect();
    const server = await httpServer((request, response) => response.end(`developer ${request.url}`));
    deliverTo(client, server);
  };

  it('is stolen from outside and inside the pod, beside IPv4, and given back', async () => {
    await developer();
    const subscription = await client.subscribe({ port: 8080 });
    expect(await outside(8080, '/six')).toBe('200 developer /six');
    expect(client.seen.at(-1)).toMatchObject({
      podAddress: { address: POD_IP6, port: 8080, family: 6 },
      peerAddress: { address: CALLER_IP6, family: 6 },
    });
    expect(await world.caller.run(ask, { host: POD_IP, port: 8080 })).toBe('200 developer /');
    expect(client.seen.at(-1)!.peerAddress).toMatchObject({ address: CALLER_IP, family: 4 });
    expect(await inside(POD_IP6, 8080)).toBe('200 developer /');
    expect(await inside('::1', 8080)).toBe('200 developer /');
    expect(client.seen.at(-1)).toMatchObject({ podAddress: { address: '::1' }, peerAddress: { address: '::1' } });
    await client.unsubscribe(subscription);
    expect(await outside(8080)).toBe(`200 pod / ${CALLER_IP6}`);
    expect(await inside('::1', 8080)).toBe('200 pod / ::1');
  });

  it('what a filter leaves to the pod reaches an application wherever it listens', async () => {
    await developer();
    const hosts: [port: number, host: string][] = [
      [8080, POD_IP6],
      [8080, '::1'],
      [8081, POD_IP6],
      [8082, '::1'],
      [8083, POD_IP6],
      [8083, '::1'],
    ];
    for (const port of new Set(hosts.map(([port]) => port))) {
      await client.subscribe({ port, filter: { path: '^/mine' } });
    }
    for (const [port, host] of hosts) {
      expect(await inside(host, port, '/mine'), `${host} ${port}`).toBe('200 developer /mine');
      expect(await inside(host, port, '/theirs'), `${host} ${port}`).toMatch(/^200 pod \/theirs/);
      if (host !== POD_IP6) continue;
      expect(await outside(port, '/mine')).toBe('200 developer /mine');
      expect(await outside(port, '/theirs')).toMatch(/^200 pod \/theirs/);
    }
    // Nobody listens for it there, rules or not.
    expect(await outside(8082, '/theirs')).toBe('ECONNRESET');
  });

  it('is mirrored: the pod answers, the copy has the caller’s address', async () => {
    await developer();
    await client.subscribe({ port: 8081, mode: 'mirror' });
    expect(await outside(8081, '/copy')).toMatch(/^200 pod \/copy/);
    await until('the copy', () => client.seen.length === 1);
    expect(client.seen[0]).toMatchObject({ mode: 'mirror', peerAddress: { address: CALLER_IP6, family: 6 } });
  });
});

describe.skipIf(reason)('IPv6 where the agent has no group of its own', () => {
  it('callers outside are served, and those inside the pod stay with its application', async () => {
    const world = await startIncomingWorld();
    try {
      await world.pod.run(startPod, POD_IP6);
      const client = await world.connect();
      deliverTo(client, await httpServer((request, response) => response.end(`developer ${request.url}`)));
      await client.subscribe({ port: 8080, filter: { path: '^/mine' } });
      const outside = { host: POD_IP6, port: 8080 };
      expect(await world.caller.run(ask, { ...outside, path: '/mine' })).toBe('200 developer /mine');
      expect(await world.caller.run(ask, { ...outside, path: '/theirs' })).toMatch(/^200 pod/);
      expect(await world.pod.run(ask, { host: '::1', port: 8080, path: '/mine' })).toMatch(/^200 pod/);
      await client.link.close();
    } finally {
      world.close();
    }
  });
});
