import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readIncomingSettings } from '../../../../src/agent/incoming/settings';
import { whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

it('what the environment does not say, or says wrongly, is the default', () => {
  const defaults = { rules: undefined, silenceMs: 200, maxBody: 65_536, bodyLimitMs: 1_000 };
  expect(readIncomingSettings({})).toEqual(defaults);
  const wrong = { MIRRORD_AGENT_NFTABLES: 'maybe', MIRRORD_AGENT_MAX_BODY_BUFFER_SIZE: '-1' };
  expect(readIncomingSettings({ ...wrong, MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT_MS: '' })).toEqual(defaults);
  expect(readIncomingSettings({ MIRRORD_AGENT_NFTABLES: 'true' }).rules).toBe('nftables');
});

const reason = whyNot();
const to = { host: POD_IP, port: 8080 };

describe.skipIf(reason)('an agent', () => {
  let world: IncomingWorld;
  let client: Client;
  afterEach(async () => {
    await client?.link.close();
    world?.close();
  });

  /** A pod that counts its connections and says so, and a developer who says what it was sent. */
  async function start(env: Record<string, string>): Promise<void> {
    world = await startIncomingWorld(env);
    await world.pod.run(({ kept, require }: any) => {
      kept.connections = 0;
      const server = require('node:http').createServer((request: any, response: any) =>
        request.resume().on('end', () => response.end('pod')),
      );
      server.on('connection', () => kept.connections++);
      return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
    });
    client = await world.connect();
    deliverTo(
      client,
      await httpServer((request, response) => void request.resume().on('end', () => response.end('developer'))),
    );
  }

  const filter = { body: { query: '$.user', matches: '^tom$' } };
  const post = (size: number) =>
    world.caller.run(ask, { ...to, method: 'POST', body: JSON.stringify({ user: 'tom', fill: 'x'.repeat(size) }) });

  it('looks at as much of a body as it is told', async () => {
    await start({ MIRRORD_AGENT_MAX_BODY_BUFFER_SIZE: '200000' });
    await client.subscribe({ port: 8080, filter });
    expect(await post(100_000)).toBe('200 developer');
    expect(await post(300_000)).toBe('200 pod');
  });

  it('waits for a body as long as it is told', async () => {
    await start({ MIRRORD_AGENT_MAX_BODY_BUFFER_TIMEOUT: '60000' });
    await client.subscribe({ port: 8080, filter });
    const slowly = ({ args, require }: any) =>
      new Promise<string>((resolve) => {
        const request = require('node:http').request({ ...args, method: 'POST' }, (response: any) =>
          response.on('data', (bytes: Buffer) => resolve(String(bytes))),
        );
        request.write('{"user":');
        // Longer than the second that is the default.
        setTimeout(() => request.end('"tom"}'), 1_500);
      });
    expect(await world.caller.run(slowly, to)).toBe('developer');
  });

  it('leaves the application alone for as long as it is told while a client is silent', async () => {
    await start({ MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT_MS: '60000' });
    await client.subscribe({ port: 8080, filter: { path: '^/mine' } });
    const silent = ({ args, kept, require }: any) =>
      new Promise<void>((resolve) => {
        kept.socket = require('node:net').connect(args, () => setTimeout(resolve, 1_000));
      });
    await world.caller.run(silent, to);
    expect(await world.pod.run(({ kept }: any) => kept.connections)).toBe(0);
    const speak = ({ kept }: any) =>
      new Promise<string>((resolve) => {
        kept.socket.on('data', (bytes: Buffer) => resolve(String(bytes)));
        kept.socket.write('GET /mine HTTP/1.1\r\nHost: a\r\n\r\n');
      });
    expect(await world.caller.run(speak)).toContain('developer');
  });

  it.skipIf(!existsSync('/usr/sbin/iptables'))('writes its rules with iptables alone when it is told so', async () => {
    await start({ MIRRORD_AGENT_NFTABLES: 'false' });
    await client.subscribe({ port: 8080 });
    expect(await world.caller.run(ask, to)).toBe('200 developer');
    expect(world.rules()).not.toContain('table inet mirrord_');
    const saved = ['nsenter', '--target', String(world.node.targetPid), '--net', '--', 'iptables-save'];
    expect(execFileSync(saved[0]!, saved.slice(1), { encoding: 'utf8', stdio: 'pipe' })).toContain('8080');
  });

  it('tries nothing else when it is told to use nftables, and names the key', async () => {
    const tools = mkdtempSync(join(tmpdir(), 'mirrord-no-nft-'));
    writeFileSync(join(tools, 'nft'), '#!/bin/sh\nexit 1\n');
    chmodSync(join(tools, 'nft'), 0o755);
    try {
      await start({ MIRRORD_AGENT_NFTABLES: 'true', PATH: `${tools}:${process.env.PATH}` });
      await expect(client.subscribe({ port: 8080 })).rejects.toMatchObject({
        code: 'INCOMING_UNSUPPORTED',
        message: expect.stringContaining('only nftables was tried: agent.nftables'),
      });
      expect(world.agent.stderr()).not.toContain('no rules with iptables');
    } finally {
      rmSync(tools, { recursive: true, force: true });
    }
  });
});
