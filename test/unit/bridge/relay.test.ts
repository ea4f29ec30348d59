import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WireOutcome } from '../../../src/bridge/messages';
import { type Relay, type RelayOptions, startRelay } from '../../../src/bridge/relay';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel, type Tunnel } from '../../../src/tunnel/tunnel';
import { type ScriptedAgent, startScriptedAgent, TOKEN } from '../../support/bridge/scripted-agent';
import { freePorts } from '../../support/free-ports';

let agent: ScriptedAgent;
let link: Tunnel;
let far: Server;
const atFar: Socket[] = [];
const relays: Relay[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  agent = await startScriptedAgent();
  link = await connectTunnel({ dial: dialSocket({ port: agent.port }), token: TOKEN, clientName: 'relay test' });
  far = createServer({ allowHalfOpen: true }, (socket) => {
    atFar.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('after the end'));
  });
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  for (const relay of relays.splice(0)) relay.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  atFar.splice(0);
});
afterAll(async () => {
  far.close();
  await link.close();
  await agent.close();
});

async function relayWith(options: Partial<RelayOptions> = {}) {
  const outcomes = new Map<number, (outcome: WireOutcome) => void>();
  const relay = await startRelay({
    link: () => link,
    report: (id, outcome) => outcomes.get(id)?.(outcome),
    ...options,
  });
  relays.push(relay);
  let sequence = 0;
  const ask = (port: number) => {
    const id = ++sequence;
    const outcome = new Promise<WireOutcome>((resolve) => outcomes.set(id, resolve));
    relay.connect(id, { host: '127.0.0.1', port });
    return { id, outcome };
  };
  return { relay, ask };
}

/** A socket that is connected to the relay, as the app's handle would be. */
async function join(relay: Relay): Promise<Socket & { localPort: number }> {
  const socket = connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket as Socket & { localPort: number };
}

const farPort = () => (far.address() as AddressInfo).port;

const freePort = () => freePorts(1);

/** Chooses a free source port, so that it can be announced before it is used. */
async function joinFromAnnounced(relay: Relay, id: number): Promise<Socket> {
  const port = await freePort();
  relay.announce(id, port);
  await sleep(20);
  const socket = connect({ port: relay.port, host: '127.0.0.1', localPort: port, allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  return socket;
}

async function read(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

describe('a connection', () => {
  it('that is announced after it was accepted is joined with its stream, and half-closes both ways', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    expect(await outcome).toMatchObject({ ok: true, podAddress: { address: '10.1.2.3', port: 40_000, family: 4 } });
    const socket = await join(relay);
    await sleep(20);
    relay.announce(id, socket.localPort);
    socket.end('hello');
    expect(await read(socket)).toBe('helloafter the end');
  });

  it('that is announced before it is accepted is joined as well', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    await outcome;
    const socket = await joinFromAnnounced(relay, id);
    socket.end('first announced');
    expect(await read(socket)).toBe('first announcedafter the end');
  });

  it('that nobody announces is dropped after the limit', async () => {
    const { relay } = await relayWith({ matchMs: 100 });
    const socket = await join(relay);
    const started = performance.now();
    await new Promise((resolve) => socket.once('close', resolve).resume());
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it('beyond the number that may wait is dropped at once', async () => {
    const { relay } = await relayWith({ maxUnmatched: 2, matchMs: 5_000 });
    const waiting = [await join(relay), await join(relay)];
    const third = connect(relay.port, '127.0.0.1');
    third.on('error', () => {});
    await new Promise((resolve) => third.once('close', resolve).resume());
    expect(waiting.map((socket) => socket.destroyed)).toEqual([false, false]);
  });

  it('from the announced port of another address is a stranger’s', async () => {
    const { relay, ask } = await relayWith({ matchMs: 200 });
    const { id, outcome } = ask(farPort());
    await outcome;
    const stranger = await join(relay);
    relay.announce(id, stranger.localPort, '127.31.7.9');
    stranger.write('x');
    const heard: string[] = [];
    stranger.on('data', (chunk) => heard.push(String(chunk)));
    await new Promise((resolve) => stranger.once('close', resolve));
    expect(heard).toEqual([]);
  });

  it.runIf(process.platform === 'linux')('from a secret address is joined', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    await outcome;
    const socket = connect({ port: relay.port, host: '127.0.0.1', localAddress: '127.31.7.9', allowHalfOpen: true });
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    relay.announce(id, socket.localPort!, '127.31.7.9');
    socket.end('hidden');
    expect(await read(socket)).toBe('hiddenafter the end');
  });

  it('is joined although more come at once than strangers may wait, as announcements are read first', async () => {
    const posted: (() => void)[] = [];
    const catchUp = () => {
      for (const announcement of posted.splice(0)) announcement();
    };
    const { relay, ask } = await relayWith({ maxUnmatched: 1, catchUp });
    const asked = [ask(farPort()), ask(farPort()), ask(farPort()), ask(farPort())];
    await Promise.all(asked.map(({ outcome }) => outcome));
    const ports = await Promise.all(asked.map(freePort));
    const joined = asked.map(({ id }, index) => {
      const localPort = ports[index]!;
      posted.push(() => relay.announce(id, localPort));
      const socket = connect({ port: relay.port, host: '127.0.0.1', localPort, allowHalfOpen: true });
      sockets.push(socket);
      return socket;
    });
    for (const socket of joined) socket.end('one of many');
    expect(await Promise.all(joined.map(read))).toEqual(joined.map(() => 'one of manyafter the end'));
  });

  it('that is announced from a source where an earlier one never came resets the earlier stream', async () => {
    const { relay, ask } = await relayWith();
    const [first, second] = [ask(farPort()), ask(farPort())];
    await first.outcome;
    await second.outcome;
    relay.announce(first.id, 1);
    relay.announce(second.id, 1);
    await expect.poll(() => atFar.map(({ destroyed }) => destroyed).sort()).toEqual([false, true]);
  });

  it('of an app that exits delivers what was written, and ends in order', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    await outcome;
    const socket = await join(relay);
    relay.announce(id, socket.localPort);
    const heard = read(socket);
    const ended = new Promise((resolve) => atFar[0]!.once('end', () => resolve('ended in order')));
    socket.write('last words');
    expect(await relay.finish({ limitMs: 5_000, stallMs: 5_000 })).toBe('at once');
    expect(await ended).toBe('ended in order');
    expect(await heard).toBe('last wordsafter the end');
  });

  it('that is announced and never comes resets its stream', async () => {
    const { relay, ask } = await relayWith({ announcedMs: 50 });
    const { id, outcome } = ask(farPort());
    await outcome;
    relay.announce(id, 1);
    await expect.poll(() => atFar[0]?.destroyed).toBe(true);
  });

  it('that is aborted after it was opened resets its stream', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    await outcome;
    relay.abort(id);
    await expect.poll(() => atFar[0]?.destroyed).toBe(true);
  });

  it('that is aborted while it is opened reports nothing', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    relay.abort(id);
    expect(await Promise.race([outcome, sleep(200, 'nothing')])).toBe('nothing');
  });

  it('that is refused in the pod reports the system error', async () => {
    const { ask } = await relayWith();
    expect(await ask(1).outcome).toEqual({ ok: false, code: 'ECONNREFUSED' });
  });

  it('whose far end is reset is reset', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    await outcome;
    const socket = await join(relay);
    relay.announce(id, socket.localPort);
    socket.write('x');
    await new Promise((resolve) => socket.once('data', resolve));
    atFar[0]!.resetAndDestroy();
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
    expect(error.code).toBe('ECONNRESET');
  });

  it('carries eight megabytes there and back', async () => {
    const { relay, ask } = await relayWith();
    const { id, outcome } = ask(farPort());
    await outcome;
    const socket = await join(relay);
    relay.announce(id, socket.localPort);
    const bytes = 8 * 1024 * 1024;
    socket.end(Buffer.alloc(bytes, 0x62));
    expect((await read(socket)).length).toBe(bytes + 'after the end'.length);
  });
});

it('a link that is lost ends its connections with ECONNRESET, and refuses new ones so', async () => {
  const own = await connectTunnel({
    dial: dialSocket({ port: agent.port }),
    token: TOKEN,
    clientName: 'lost',
    graceMs: 0,
  });
  const { relay, ask } = await relayWith({ link: () => own });
  const { id, outcome } = ask(farPort());
  await outcome;
  const socket = await join(relay);
  relay.announce(id, socket.localPort);
  socket.write('x');
  await new Promise((resolve) => socket.once('data', resolve));
  const error = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
  await own.close();
  expect((await error).code).toBe('ECONNRESET');
  expect(await ask(farPort()).outcome).toEqual({ ok: false, code: 'ECONNRESET' });
});
