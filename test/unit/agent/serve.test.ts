import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MuxStream } from '../../../src/protocol/session-types';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel, type Tunnel } from '../../../src/tunnel/tunnel';
import { type Agent, type PodNode, startPodNode, TOKEN, until, whyNot } from './pod-node';
import { rejection } from './pod-root';

const reason = whyNot();
if (reason) console.warn(`skipped: the agent's integration tests (${reason})`);

/** Sends everything, half-closes, and gives what comes back. */
function exchange(stream: MuxStream, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    stream.onData = (chunk) => {
      chunks.push(chunk);
      stream.consumed(chunk.byteLength);
    };
    stream.onReset = ({ code }) => reject(new Error(code));
    stream.onEnd = () => resolve(Buffer.concat(chunks));
    stream.write(bytes);
    stream.end();
  });
}

describe.skipIf(reason)('an agent next to a pod', () => {
  let node: PodNode;
  let agent: Agent;
  let port: number;
  let link: Tunnel;

  beforeAll(async () => {
    node = await startPodNode();
    agent = node.startAgent(['--port', '0', 'targeted', '--container-id', node.containerId], {
      MIRRORD_AGENT_LOG_LEVEL: 'debug',
    });
    port = await agent.ready();
    link = await connectTunnel({ dial: dialSocket({ port }), token: TOKEN, clientName: 'test' });
  });
  afterAll(async () => {
    await link?.close();
    agent?.process.kill('SIGKILL');
    node?.close();
  });

  it('prints exactly one line on stdout', () => {
    expect(agent.stdout()).toMatch(/^agent ready - version \S+\n$/);
  });

  it('tells hostname, families and process of the target', async () => {
    const { result } = await link.call('info', {});
    expect(result).toMatchObject({
      hostname: 'the-pod',
      targeted: true,
      families: { ipv4: true, ipv6: false },
      nodeVersion: process.version,
    });
    expect(result.targetPid).toBeGreaterThan(1);
  });

  it('gives the variables of the container, filtered by wildcards', async () => {
    const { result } = await link.call('env', { include: [], exclude: ['SECRET_*', 'PATH'] });
    expect({ ...result.env }).toEqual({ GREETING: 'hello pod', EMPTY: '' });
    const only = await link.call('env', { include: ['GREET?NG'], exclude: [] });
    expect(Object.keys(only.result.env)).toEqual(['GREETING']);
  });

  it('reads files of the pod, through its mounts and its absolute links', async () => {
    const { raw, result } = await link.call('fs.readFile', { path: '/srv/app/config.txt' });
    expect(Buffer.from(raw).toString()).toBe('file of the pod');
    expect(result.stat.size).toBe(15n);
    const hosts = await link.call('fs.readFile', { path: '/srv/app/hosts-link' });
    expect(Buffer.from(hosts.raw).toString()).toContain('alias-of-the-pod');
  });

  it('gives a file of many frames as it is', async () => {
    const { raw } = await link.call('fs.readFile', { path: process.execPath });
    expect(Buffer.from(raw).equals(readFileSync(process.execPath))).toBe(true);
    expect(raw.byteLength).toBe(statSync(process.execPath).size);
  });

  it('/proc/self is the process of the pod', async () => {
    const { raw } = await link.call('fs.readFile', { path: '/proc/self/environ' });
    expect(Buffer.from(raw).toString()).toContain('GREETING=hello pod');
    expect((await link.call('fs.realpath', { path: '/proc/self' })).result.path).toBe('/proc/1');
  });

  it('lists directories and says what is missing as the kernel does', async () => {
    const { result } = await link.call('fs.readdir', { path: '/srv', recursive: true });
    expect(result.entries).toEqual([
      { name: 'app', type: 2, parent: '' },
      { name: 'config.txt', type: 1, parent: 'app' },
      { name: 'hosts-link', type: 3, parent: 'app' },
    ]);
    const error = await rejection(link.call('fs.stat', { path: '/srv/none' }));
    expect(error.wire).toEqual({ code: 'ENOENT', errno: -2, syscall: 'stat', path: '/srv/none' });
  });

  it('resolves names with the hosts file, search list and name server of the pod', async () => {
    const lookup = async (hostname: string, family: 0 | 4 | 6 = 0) => {
      const { result } = await link.call('dns.lookup', { hostname, family, hints: 0, order: 'verbatim' });
      return result.addresses.map(({ address }) => address);
    };
    expect(await lookup('alias-of-the-pod')).toEqual(['10.1.2.3']);
    // Found by the search list; its IPv6 address is left out, as the pod has no route there.
    expect(await lookup('db')).toEqual(['10.96.0.7']);
    expect(await lookup('db', 6)).toEqual(['fd00::7']);
    const error = await rejection(lookup('no-such-name'));
    expect(error.wire).toEqual({ code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname: 'no-such-name' });
  });

  it('queries records at the name server of the pod', async () => {
    const resolve = async (hostname: string, rrtype: string, ttl = false) =>
      (await link.call('dns.resolve', { hostname, rrtype, ttl })).result.records;
    expect(await resolve('db.shop.svc.cluster.local', 'A')).toEqual(['10.96.0.7']);
    expect(await resolve('db.shop.svc.cluster.local', 'A', true)).toEqual([{ address: '10.96.0.7', ttl: 30 }]);
    expect(await resolve('db.shop.svc.cluster.local', 'TXT')).toEqual([['a', 'b']]);
    expect(await resolve('_pg._tcp.db.shop.svc.cluster.local', 'SRV')).toEqual([
      { name: 'db.shop.svc.cluster.local', port: 5432, priority: 1, weight: 2 },
    ]);
    expect((await rejection(resolve('db.shop.svc.cluster.local', 'MX'))).wire).toEqual({
      code: 'ENODATA',
      syscall: 'queryMx',
      hostname: 'db.shop.svc.cluster.local',
    });
    expect((await rejection(resolve('none.example', 'A'))).wire).toMatchObject({
      code: 'ENOTFOUND',
      syscall: 'queryA',
    });
    expect((await rejection(resolve('none.example', 'WRONG'))).wire).toMatchObject({ code: 'UNKNOWN_RECORD_TYPE' });
  });

  it('names a service by address and port', async () => {
    const { result } = await link.call('dns.lookupService', { address: '127.0.0.1', port: 22 });
    expect(result).toEqual({ hostname: 'localhost', service: 'ssh' });
  });

  it("connects to the pod's own 127.0.0.1, with half-close and 3 MB each way", async () => {
    const stream = await link.open({ kind: 'tcp', host: '127.0.0.1', port: 5555 });
    expect(stream.answer.peerAddress).toEqual({ address: '127.0.0.1', port: 5555, family: 4 });
    expect(stream.answer.podAddress.address).toBe('127.0.0.1');
    const sent = Buffer.alloc(3_000_000, 'abc');
    const answer = await exchange(stream, sent);
    expect(answer.equals(Buffer.concat([Buffer.from('echo:'), sent]))).toBe(true);
  });

  it('refuses with the error of the kernel', async () => {
    const refused = await rejection(link.open({ kind: 'tcp', host: '127.0.0.1', port: 1 }));
    expect(refused.code).toBe('ECONNREFUSED');
    const unreachable = await rejection(link.open({ kind: 'tcp', host: 'fd00::1', port: 1 }));
    expect(unreachable.code).toBe('ENETUNREACH');
    const unknown = await rejection(link.open({ kind: 'tcp', host: 'no-such-name', port: 1 }));
    expect(unknown.code).toBe('ENOTFOUND');
  });

  it('connects from the address of the pod that is asked for, and refuses one that the pod has not got', async () => {
    const to = { kind: 'tcp', host: '127.0.0.1', port: 5555 } as const;
    const stream = await link.open({ ...to, localAddress: '127.8.7.6' });
    expect(stream.answer.podAddress.address).toBe('127.8.7.6');
    stream.reset('ECONNRESET');
    expect(await rejection(link.open({ ...to, localAddress: '203.0.113.1' }))).toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(await rejection(link.open({ ...to, localAddress: 'pod' }))).toMatchObject({ code: 'BAD_PARAMETERS' });
  });

  it('refuses parameters and methods that the contract does not have, and goes on', async () => {
    const call = link.call.bind(link) as (method: string, params: unknown) => Promise<unknown>;
    expect(await rejection(call('no.method', {}))).toMatchObject({ code: 'UNKNOWN_METHOD' });
    expect(await rejection(call('constructor', {}))).toMatchObject({ code: 'UNKNOWN_METHOD' });
    expect(await rejection(call('fs.stat', { path: 7 }))).toMatchObject({ code: 'BAD_PARAMETERS' });
    expect(await rejection(call('env', { include: 'A', exclude: [] }))).toMatchObject({ code: 'BAD_PARAMETERS' });
    expect(await rejection(link.open({ kind: 'udp' as 'tcp', host: 'x', port: 1 }))).toMatchObject({
      code: 'UNKNOWN_STREAM_KIND',
    });
    expect((await link.call('info', {})).result.targeted).toBe(true);
  });

  it('refuses a wrong token, and bytes that are no greeting', async () => {
    const wrong = connectTunnel({ dial: dialSocket({ port }), token: TOKEN.slice(1), clientName: 'stranger' });
    expect(await rejection(wrong)).toMatchObject({ code: 'AGENT_UNAUTHORIZED' });
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
    await new Promise((resolve) => socket.on('error', resolve).on('close', resolve).resume());
    expect((await link.call('info', {})).result.targeted).toBe(true);
  });

  it('follows a change of the hosts file', async () => {
    const lookup = { hostname: 'added-later', family: 4, hints: 0, order: 'verbatim' } as const;
    expect(await rejection(link.call('dns.lookup', lookup))).toMatchObject({ code: 'ENOTFOUND' });
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(node.folder, 'pod-hosts'), '127.0.0.1 localhost\n10.1.2.4 added-later\n');
    await until('the copy of the hosts file', () => agent.stderr().includes('were copied'));
    expect((await link.call('dns.lookup', lookup)).result.addresses).toEqual([{ address: '10.1.2.4', family: 4 }]);
    expect(readFileSync(join(node.folder, 'agent-hosts'), 'utf8')).toBe('127.0.0.1 localhost\n10.1.2.4 added-later\n');
  });

  it('never logs the token, values of variables or contents', () => {
    const log = agent.stderr();
    expect(log).toContain('session started');
    for (const secret of [TOKEN, 's3cr3t', 'hello pod', 'file of the pod']) expect(log).not.toContain(secret);
  });

  it('keeps the token out of arguments and environment of its worker', () => {
    const worker = workerOf(agent.pid());
    expect(readFileSync(`/proc/${worker}/environ`, 'utf8')).not.toContain(TOKEN);
    expect(readFileSync(`/proc/${worker}/cmdline`, 'utf8')).not.toContain(TOKEN);
  });
});

const workerOf = (pid: number) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
