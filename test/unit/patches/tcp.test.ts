import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Undo } from '../../../src/patches/patch';
import { ATTEMPT_TIMEOUT_MS } from '../../../src/patches/tcp/attempt-timeout';
import { findTcp } from '../../../src/patches/tcp/handle';
import { tcpPatch } from '../../../src/patches/tcp/index';
import { createScript, type Script } from './scripted-context';

let undo: Undo = () => {};
const install = (script: Script) => {
  undo = tcpPatch.install(script.context);
};
afterEach(() => undo());

const POD = '203.0.113.7';
/** A socket asks its handle to connect on the next tick. */
const connect = async (options: net.NetConnectOpts): Promise<net.Socket> => {
  const socket = net.connect(options);
  await new Promise<void>((resolve) => process.nextTick(resolve));
  return socket;
};

const podAddress = { address: '10.244.0.9', port: 41_000, family: 4 } as const;
const peerAddress = { address: POD, port: 5432, family: 4 } as const;

describe('a TCP handle', () => {
  it('is connected to the relay only after the pod is, from the announced port, and shows the names in the pod', async () => {
    const relay = net
      .createServer((socket) => socket.end(`${socket.remoteAddress} ${socket.remotePort}`))
      .listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const { port } = relay.address() as net.AddressInfo;
    const script = createScript({ relayPort: port });
    install(script);
    let accepted = false;
    relay.on('connection', () => (accepted = true));
    const socket = await connect({ port: 5432, host: POD });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([socket.connecting, accepted, script.held()]).toEqual([true, false, 1]);
    expect(script.asked).toMatchObject([{ address: POD, port: 5432 }]);
    script.asked[0]!.answer({ ok: true, podAddress, peerAddress });
    await once(socket, 'connect');
    expect([socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort]).toEqual([
      POD,
      5432,
      '10.244.0.9',
      41_000,
    ]); // not loopback
    expect(script.held()).toBe(0);
    const [source] = await once(socket, 'data');
    const { sourceAddress, sourcePort } = script.asked[0]!;
    expect(String(source)).toBe(`${sourceAddress} ${sourcePort}`);
    // Others could bind the port of 127.0.0.1, and would be taken for the app.
    if (process.platform === 'linux') expect(sourceAddress).not.toBe('127.0.0.1');
    relay.close();
    socket.destroy();
  });

  it('is asked for without the IPv6 wrapping of an IPv4 address, and keeps it in its name', async () => {
    const script = createScript();
    install(script);
    const socket = await connect({ port: 1, host: '::ffff:203.0.113.7' });
    expect(script.asked[0]!.address).toBe(POD);
    script.asked[0]!.answer({ ok: false, code: 'EHOSTUNREACH' });
    const error = await new Promise((resolve) => socket.on('error', resolve));
    expect(error).toMatchObject({ code: 'EHOSTUNREACH', syscall: 'connect', address: '::ffff:203.0.113.7', port: 1 });
  });

  it.each([
    ['as the pod’s kernel spells them', 'FD00:0:0::7', ['fd00::7', 'IPv6', 'fd00::9', 'IPv6']],
    [
      'in the form of the address that was asked for',
      '::ffff:203.0.113.7',
      ['::ffff:203.0.113.7', 'IPv6', '::ffff:10.244.0.9', 'IPv6'],
    ],
    ['of whom it was connected to', '::', ['::1', 'IPv6', '::1', 'IPv6']],
  ])('shows IPv6 names %s', async (_, host, names) => {
    const relay = net.createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const script = createScript({ relayPort: (relay.address() as net.AddressInfo).port });
    install(script);
    const socket = await connect({ port: 5432, host });
    const [remote, , local] = names.map((name) => name.replace('::ffff:', ''));
    const end = (address: string, port: number) => ({ address, port, family: address.includes(':') ? 6 : 4 }) as const;
    script.asked[0]!.answer({ ok: true, podAddress: end(local!, 41_000), peerAddress: end(remote!, 5432) });
    await once(socket, 'connect');
    const { remoteAddress, remoteFamily, localAddress, localFamily } = socket;
    expect([remoteAddress, remoteFamily, localAddress, localFamily]).toEqual(names);
    socket.destroy();
    relay.close();
  });

  it('takes an error it does not know for ECONNREFUSED and says so', async () => {
    const script = createScript();
    install(script);
    const socket = await connect({ port: 1, host: POD });
    const failed = new Promise((resolve) => socket.on('error', resolve));
    script.asked[0]!.answer({ ok: false, code: 'EWHATEVER' });
    expect(await failed).toMatchObject({ code: 'ECONNREFUSED' });
    expect(script.log.join()).toContain('EWHATEVER');
  });

  it('aborts in the pod what is destroyed here, and takes no late answer', async () => {
    const script = createScript();
    install(script);
    const socket = await connect({ port: 1, host: POD });
    const events: string[] = [];
    for (const name of ['connect', 'error', 'close']) socket.on(name, () => events.push(name));
    socket.destroy();
    await once(socket, 'close');
    expect([script.asked[0]!.aborted, script.held()]).toEqual([true, 0]);
    script.asked[0]!.answer({ ok: false, code: 'ECONNREFUSED' });
    script.asked[0]!.answer({ ok: true, podAddress, peerAddress });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([events, script.held(), script.asked[0]!.sourcePort]).toEqual([['close'], 0, undefined]);
  });

  it('can be destroyed between the failure and its report', async () => {
    const script = createScript();
    install(script);
    const socket = await connect({ port: 1, host: POD });
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    script.asked[0]!.answer({ ok: false, code: 'ECONNREFUSED' });
    socket.unref();
    socket.ref();
    socket.destroy();
    await once(socket, 'close');
    await new Promise(setImmediate);
    expect([errors, script.held()]).toEqual([[], 0]);
  });

  it('holds the process only while it is referenced', async () => {
    const script = createScript();
    install(script);
    const socket = await connect({ port: 1, host: POD });
    const held = [script.held()];
    socket.unref();
    held.push(script.held());
    socket.ref();
    socket.ref();
    held.push(script.held());
    socket.destroy();
    expect([...held, script.held()]).toEqual([1, 0, 1, 0]);
  });

  it.each([
    ['10.244.0.9', POD, 0],
    ['fd00::9', 'fd00::7', 0],
    ['fd00::9', 'fd00::7', 18_993],
    ['::1', '::1', 0],
  ])(
    'may be bound to an address of the pod, which is asked to connect from it: %s',
    async (localAddress, host, localPort) => {
      const relay = net.createServer((socket) => socket.end()).listen(0, '127.0.0.1');
      await once(relay, 'listening');
      const script = createScript({ relayPort: (relay.address() as net.AddressInfo).port });
      install(script);
      const socket = await connect({ host, port: 1, localAddress, localPort });
      expect(script.asked).toMatchObject([{ address: host, port: 1, localAddress }]);
      script.asked[0]!.answer({ ok: true, podAddress, peerAddress });
      await once(socket, 'connect');
      if (localPort > 0) expect(script.asked[0]!.sourcePort).toBe(localPort);
      socket.destroy();
      relay.close();
    },
  );

  it('is bound to ::1 here where it stays here', async () => {
    const server = net.createServer((socket) => socket.end(`${socket.remoteAddress}`)).listen(0, '::1');
    await once(server, 'listening');
    install(createScript({ verdict: { kind: 'bypass', reason: 'own-listener' } }));
    const { port } = server.address() as net.AddressInfo;
    const socket = await connect({ host: '::1', port, localAddress: '::1' });
    expect(String((await once(socket, 'data'))[0])).toBe('::1');
    socket.destroy();
    server.close();
  });

  it('fails to connect and to listen here on an address that only the pod has', async () => {
    install(createScript({ verdict: { kind: 'bypass', reason: 'configured-local' } }));
    const socket = net.connect({ host: '127.0.0.1', port: 1, localAddress: '10.244.0.9' });
    expect(await new Promise((resolve) => socket.on('error', resolve))).toMatchObject({ code: 'EADDRNOTAVAIL' });
    const server = net.createServer().listen(0, '10.244.0.9');
    expect(await new Promise((resolve) => server.on('error', resolve))).toMatchObject({
      code: 'EADDRNOTAVAIL',
      syscall: 'listen',
      address: '10.244.0.9',
    }); // as Node says it
  });

  it('is refused with the error of the policy', async () => {
    const error = Object.assign(new Error('no'), { code: 'EACCES' });
    install(createScript({ verdict: { kind: 'refuse', error } }));
    const socket = net.connect(1, POD);
    expect(await new Promise((resolve) => socket.on('error', resolve))).toMatchObject({
      code: 'EACCES',
      syscall: 'connect',
    });
  });

  it('tells which ports are listened on, from the first to the last moment', async () => {
    const before = net.createServer().listen(0, '127.0.0.1');
    await once(before, 'listening');
    const script = createScript();
    install(script);
    const { port } = before.address() as net.AddressInfo;
    expect(script.listening).toContain(port);
    const server = net.createServer().listen(0);
    await once(server, 'listening');
    const own = (server.address() as net.AddressInfo).port;
    expect(script.listening).toContain(own);
    server.close();
    before.close();
    expect(script.listening).not.toContain(own);
    expect(script.listening).not.toContain(port);
  });

  it('that still waits when the patches go fails and lets the process go', async () => {
    const script = createScript();
    install(script);
    const socket = await connect({ port: 1, host: POD });
    undo();
    expect(await new Promise((resolve) => socket.on('error', resolve))).toMatchObject({ code: 'ECONNRESET' });
    expect([script.asked[0]!.aborted, script.held()]).toEqual([true, 0]);
  });

  it('is Node’s own again after the undo, unless someone patched over it', () => {
    const { prototype } = findTcp();
    const names = [
      'connect',
      'connect6',
      'bind',
      'bind6',
      'listen',
      'getsockname',
      'getpeername',
      'close',
      'ref',
      'unref',
    ] as const;
    const read = () => names.map((name) => prototype[name]);
    const own = () => Object.getOwnPropertyNames(prototype).sort();
    const [before, keys] = [read(), own()];
    install(createScript());
    expect(read().some((method, index) => method === before[index])).toBe(false);
    undo();
    expect(read()).toEqual(before);
    expect(own()).toEqual(keys);
    install(createScript());
    const stranger = () => 0;
    prototype.connect = stranger;
    undo();
    expect(prototype.connect).toBe(stranger);
    prototype.connect = before[0] as never;
  });

  it('gives each family time for a tunnel, and takes that back', () => {
    const before = net.getDefaultAutoSelectFamilyAttemptTimeout();
    install(createScript());
    expect(net.getDefaultAutoSelectFamilyAttemptTimeout()).toBe(ATTEMPT_TIMEOUT_MS);
    undo();
    expect(net.getDefaultAutoSelectFamilyAttemptTimeout()).toBe(before);
    install(createScript());
    net.setDefaultAutoSelectFamilyAttemptTimeout(700);
    undo();
    expect(net.getDefaultAutoSelectFamilyAttemptTimeout()).toBe(700);
    net.setDefaultAutoSelectFamilyAttemptTimeout(before);
  });
});
