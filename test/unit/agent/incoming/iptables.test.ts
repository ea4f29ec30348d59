import { execFileSync } from 'node:child_process';
import { accessSync, chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer } from './developer';
import { CALLER_IP6, type IncomingWorld, POD_IP, POD_IP6, startIncomingWorld } from './world';

const FOLDER = '/usr/sbin';
const VARIANTS = ['legacy', 'nft'].filter((variant) => {
  try {
    accessSync(join(FOLDER, `iptables-${variant}`));
    return true;
  } catch {
    return false;
  }
});
const reason = whyNot() ?? (VARIANTS.length > 0 ? undefined : 'there is no iptables on this machine');
if (reason) console.warn(`skipped: traffic rules by iptables (${reason})`);

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

describe.skipIf(reason).each(VARIANTS)('where nft does not work, iptables (%s)', (variant) => {
  let tools: string;
  let world: IncomingWorld | undefined;
  const env = () => ({ PATH: `${tools}:${process.env.PATH}` });
  const saved = () => {
    const enter = ['--target', String(world!.node.targetPid), '--net', '--'];
    const all = ['iptables', 'ip6tables'].map((tool) => join(tools, `${tool}-save`));
    return all.map((tool) => execFileSync('nsenter', [...enter, tool], { encoding: 'utf8', stdio: 'pipe' })).join('\n');
  };

  beforeAll(() => {
    tools = mkdtempSync(join(tmpdir(), 'mirrord-no-nft-'));
    writeFileSync(join(tools, 'nft'), '#!/bin/sh\nexit 1\n');
    chmodSync(join(tools, 'nft'), 0o755);
    for (const tool of ['iptables', 'ip6tables']) {
      for (const suffix of ['', '-save', '-restore']) {
        symlinkSync(join(FOLDER, `${tool}-${variant}${suffix}`), join(tools, `${tool}${suffix}`));
      }
    }
  });
  afterEach(() => world?.close());
  afterAll(() => rmSync(tools, { recursive: true, force: true }));

  const start = async () => {
    world = await startIncomingWorld(env());
    await world.pod.run(({ require }: any) => {
      const server = require('node:http').createServer((request: any, response: any) =>
        response.end(`pod ${request.socket.remoteAddress}`),
      );
      return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
    });
    const client = await world.connect();
    const waiting: (() => void)[] = [];
    deliverTo(
      client,
      await httpServer((request, response) => {
        if (request.url === '/wait') waiting.push(() => response.end('late'));
        else response.end('developer');
      }),
    );
    const subscription = await client.subscribe({ port: 8080 });
    const supervisor = world.agent.pid();
    const worker = childrenOf(supervisor)[0]!;
    return { world, client, waiting, subscription, supervisor, worker, cleaner: childrenOf(worker)[0]! };
  };
  const to = { host: POD_IP, port: 8080 };

  it.each([
    ['unsubscribed', []],
    ['the worker is killed', ['worker']],
    ['the supervisor is killed', ['supervisor']],
    ['what cleans up is killed', ['cleaner']],
    ['the worker is killed with what cleans up', ['cleaner', 'worker']],
  ] as const)('serves, and leaves nothing when: %s', async (_name, victims) => {
    const { world, client, subscription, ...processes } = await start();
    expect(world.agent.stderr()).toContain('no rules with nftables');
    expect(saved()).toContain('MIRRORD_IN_');
    expect(await world.caller.run(ask, to)).toBe('200 developer');
    expect(await world.pod.run(ask, to)).toBe('200 developer');
    expect(await world.pod.run(ask, { ...to, host: '127.0.0.1' })).toBe('200 developer');
    expect(await world.caller.run(ask, { ...to, host: POD_IP6 })).toBe('200 developer');
    expect(client.seen.at(-1)).toMatchObject({
      peerAddress: { address: CALLER_IP6 },
      podAddress: { address: POD_IP6 },
    });
    if (victims.length === 0) await client.unsubscribe(subscription);
    for (const victim of victims) process.kill(processes[victim], 'SIGKILL');
    await until('the rules to be gone', () => !saved().includes('MIRRORD'));
    expect(await world.caller.run(ask, to)).toMatch(/^200 pod/);
    if (victims[0] === 'cleaner' && victims.length === 1) await until('the client to hear', () => client.ended[0]);
    void client.link.close();
  });

  it('lets a request that waits end when what cleans up is killed, and takes the port again', async () => {
    const { world, client, waiting, cleaner } = await start();
    const waits = world.caller.run(ask, { ...to, path: '/wait' });
    await until('the request to wait', () => waiting.length === 1);
    process.kill(cleaner, 'SIGKILL');
    await until('the client to hear of it', () => client.ended[0]);
    expect(await world.caller.run(ask, to)).toMatch(/^200 pod/);
    waiting[0]!();
    expect(await waits).toBe('200 late');
    await client.subscribe({ port: 8080 });
    expect(await world.caller.run(ask, to)).toBe('200 developer');
    await client.link.close();
    await until('the rules to be gone', () => !saved().includes('MIRRORD'));
  });

  it('what an agent has left of which nothing lives is taken away by the next one, and no more', async () => {
    const { world, client, supervisor, worker, cleaner } = await start();
    for (const pid of [supervisor, cleaner, worker]) process.kill(pid, 'SIGKILL');
    void client.link.close();
    await world.agent.exited;
    expect(saved()).toContain('MIRRORD_IN_');
    expect(await world.caller.run(ask, to)).toBe('ECONNREFUSED');
    const others = await Promise.all([world.another(env()), world.another(env())]);
    const [first, second] = await Promise.all(others.map(({ connect }) => connect()));
    await first!.subscribe({ port: 8081 });
    expect(await world.caller.run(ask, to)).toMatch(/^200 pod/);
    // The next one finds rules too, of somebody who lives.
    deliverTo(first!, await httpServer((_request, response) => response.end('first')));
    await second!.subscribe({ port: 8082 });
    expect(await world.caller.run(ask, { ...to, port: 8081 })).toBe('200 first');
    expect(saved().match(/^:MIRRORD_IN_/gm)!.length).toBeGreaterThanOrEqual(2);
    await Promise.all([first!.link.close(), second!.link.close()]);
    await until('the rules to be gone', () => !saved().includes('MIRRORD'));
    for (const { agent } of others) agent.process.kill('SIGKILL');
  });
});
