import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer } from './developer';
import { type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const hasIptables = (() => {
  try {
    execFileSync('iptables', ['--version'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
})();
const reason = whyNot() ?? (hasIptables ? undefined : 'there is no iptables on this machine');
if (reason) console.warn(`skipped: traffic rules by iptables (${reason})`);

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

describe.skipIf(reason)('where nft does not work', () => {
  let tools: string;
  let world: IncomingWorld | undefined;
  beforeAll(() => {
    tools = mkdtempSync(join(tmpdir(), 'mirrord-no-nft-'));
    writeFileSync(join(tools, 'nft'), '#!/bin/sh\nexit 1\n');
    chmodSync(join(tools, 'nft'), 0o755);
  });
  afterEach(() => world?.close());
  afterAll(() => rmSync(tools, { recursive: true, force: true }));

  it.each(['unsubscribed', 'worker', 'supervisor', 'rules'])(
    'iptables does, and is cleaned up after: %s',
    async (end) => {
      world = await startIncomingWorld({ PATH: `${tools}:${process.env.PATH}` });
      await world.pod.run(({ require }: any) => {
        const server = require('node:http').createServer((_request: any, response: any) => response.end('pod'));
        return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
      });
      const client = await world.connect();
      deliverTo(client, await httpServer((_request, response) => response.end('developer')));
      const to = { host: POD_IP, port: 8080 };
      const subscription = await client.subscribe({ port: 8080 });
      expect(world.agent.stderr()).toContain('trying iptables');
      expect(world.rules()).toContain('MIRRORD_IN_');
      expect(await world.caller.run(ask, to)).toBe('200 developer');
      expect(await world.pod.run(ask, to)).toBe('200 developer');
      expect(await world.pod.run(ask, { ...to, host: '127.0.0.1' })).toBe('200 developer');
      const supervisor = world.agent.pid();
      const worker = childrenOf(supervisor)[0]!;
      if (end === 'unsubscribed') await client.unsubscribe(subscription);
      else process.kill({ worker, supervisor, rules: childrenOf(worker)[0]! }[end]!, 'SIGKILL');
      await until('the rules to be gone', () => !world!.rules().includes('MIRRORD'));
      expect(await world.caller.run(ask, to)).toBe('200 pod');
      if (end === 'rules') await until('the client to hear of it', () => client.ended[0]);
      void client.link.close();
    },
  );
});
