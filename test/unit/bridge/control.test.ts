import { existsSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { attachToOwner } from '../../../src/bridge/control-client';
import { type ControlServer, startControlServer } from '../../../src/bridge/control-server';
import { formatSession, parseSession, sameSecret } from '../../../src/bridge/session-token';
import { SpareTransport } from '../../../src/bridge/spare-transport';
import { FrameType, makeFrame } from '../../../src/protocol/frame';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel } from '../../../src/tunnel/tunnel';
import { featureOf } from '../../support/bridge/feature';
import { type ScriptedAgent, startScriptedAgent, TOKEN } from '../../support/bridge/scripted-agent';

let agent: ScriptedAgent;
const servers: ControlServer[] = [];
let dials = 0;

beforeAll(async () => {
  agent = await startScriptedAgent();
});
afterEach(() => {
  for (const server of servers.splice(0)) void server.close(0);
});
afterAll(() => agent.close());

const handoff = {
  ...{ kubeconfig: undefined, context: undefined, acceptInvalidCertificates: false, namespace: 'test', pod: 'agent' },
  ...{ port: 1, token: TOKEN, target: undefined },
};
const info = {
  ...{ agentVersion: '', nodeVersion: '', hostname: 'pod', targeted: true, targetPid: 1 },
  families: { ipv4: true, ipv6: false },
};

async function startServer(): Promise<ControlServer> {
  const dial = dialSocket({ port: agent.port });
  dials = 0;
  const spare = new SpareTransport((signal) => {
    dials += 1;
    return dial(signal);
  });
  const facts = { target: undefined, info, feature: featureOf({}) };
  const server = await startControlServer(() => ({ handoff, facts }), spare);
  servers.push(server);
  return server;
}

/** Resolves to what was read until the server closed the connection. */
async function say(path: string, text: string): Promise<string> {
  const socket: Socket = connect(path);
  socket.on('error', () => {});
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

describe('the control socket', () => {
  it('is a socket of mode 0600 in a folder of mode 0700, with a path that every system takes', async () => {
    const { path } = parseSession((await startServer()).session);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(Buffer.byteLength(path)).toBeLessThan(100);
  });

  it('names its folder to whoever removes it before there is one', async () => {
    const seen: [path: string, exists: boolean][] = [];
    const beforeFolder = (path: string) => void seen.push([path, existsSync(path)]);
    const server = await startControlServer(
      () => Promise.reject(new Error('nobody attaches')) as never,
      new SpareTransport(dialSocket({ port: agent.port })),
      { beforeFolder },
    );
    servers.push(server);
    expect(seen).toEqual([[dirname(parseSession(server.session).path), false]]);
    expect(existsSync(seen[0]![0])).toBe(true);
  });

  it('goes away with its folder when it is closed', async () => {
    const server = await startServer();
    await server.close(0);
    expect(existsSync(dirname(parseSession(server.session).path))).toBe(false);
  });

  it.each([
    ['a wrong secret', JSON.stringify({ version: 1, secret: 'b'.repeat(64) })],
    ['a prefix of nothing', JSON.stringify({ version: 1, secret: '' })],
    ['no secret', '{}'],
    ['null', 'null'],
    ['no JSON', 'GET / HTTP/1.1'],
    ['a line that is too long', 'x'.repeat(300)],
  ])('answers nothing to %s', async (_name, line) => {
    const { path } = parseSession((await startServer()).session);
    expect(await say(path, `${line}\n`)).toBe('');
    expect(dials).toBe(0);
  });

  it('closes a connection that says nothing', async () => {
    const { path } = parseSession((await startServer()).session);
    const started = performance.now();
    expect(await say(path, '')).toBe('');
    expect(performance.now() - started).toBeLessThan(4_000);
  });

  it('gives the right secret what it needs, and then a transport to the agent', async () => {
    const { answer, transport } = await attachToOwner(parseSession((await startServer()).session));
    expect(answer.handoff.token).toBe(TOKEN);
    expect(answer.facts.info.hostname).toBe('pod');
    const link = await connectTunnel({ dial: async () => transport, token: TOKEN, clientName: 'child' });
    expect((await link.call('fs.readFile', { path: '/size/200000' })).raw.byteLength).toBe(200_000);
    const before = agent.sessions();
    await link.close();
    // The goodbye came through although the child closed right after it.
    await expect.poll(() => agent.sessions()).toBe(before - 1);
  });

  it('lets a goodbye through that is on its way when it is closed', async () => {
    const server = await startServer();
    const { transport } = await attachToOwner(parseSession(server.session));
    const link = await connectTunnel({ dial: async () => transport, token: TOKEN, clientName: 'child' });
    const before = agent.sessions();
    const closed = link.close();
    await server.close(2_000);
    await closed;
    await expect.poll(() => agent.sessions()).toBe(before - 1);
  });

  it('is closed at the limit although somebody is attached', async () => {
    const server = await startServer();
    const { transport } = await attachToOwner(parseSession(server.session));
    const gone = new Promise((resolve) => transport.once('close', resolve).resume());
    const started = performance.now();
    await server.close(100);
    await gone;
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('keeps a spare connection after somebody attached', async () => {
    const { session } = await startServer();
    const first = await attachToOwner(parseSession(session));
    await expect.poll(() => dials).toBe(2);
    const second = await attachToOwner(parseSession(session));
    const link = await connectTunnel({ dial: async () => second.transport, token: TOKEN, clientName: 'child' });
    await link.call('fs.realpath', { path: '/' });
    await link.close();
    first.transport.destroy();
  });
});

it('processes that attach at once are given a transport each', async () => {
  const { session } = await startServer();
  (await attachToOwner(parseSession(session))).transport.destroy();
  await expect.poll(() => dials).toBe(2);
  const paths = await Promise.all(
    ['/1', '/2', '/3', '/4'].map(async (path) => {
      const { transport } = await attachToOwner(parseSession(session));
      const link = await connectTunnel({ dial: async () => transport, token: TOKEN, clientName: path });
      const { result } = await link.call('fs.realpath', { path });
      await link.close();
      return result.path;
    }),
  );
  expect(paths).toEqual(['/1', '/2', '/3', '/4']);
});

it('says goodbye for a thread that was ended, and not for one that dials again', async () => {
  const address = parseSession((await startServer()).session);
  const ended = await attachToOwner(address, { name: 'ended' });
  const endedLink = await connectTunnel({ dial: async () => ended.transport, token: TOKEN, clientName: 'ended' });
  const attachments: Awaited<ReturnType<typeof attachToOwner>>[] = [];
  const link = await connectTunnel({
    dial: async (signal) => {
      attachments.push(await attachToOwner(address, { signal, name: 'living' }));
      return attachments.at(-1)!.transport;
    },
    token: TOKEN,
    clientName: 'living',
  });
  const before = agent.sessions();
  // As the system does with the sockets of a thread, without a word; nobody of that name dials again.
  ended.transport.destroy();
  attachments[0]!.transport.destroy();
  await expect.poll(() => agent.sessions(), { timeout: 20_000 }).toBe(before - 1);
  expect((await link.call('fs.realpath', { path: '/' })).result.path).toBe('/');
  expect(attachments).toHaveLength(2);
  expect(agent.sessions()).toBe(before - 1);
  await Promise.all([link.close(), endedLink.close()]);
}, 30_000);

describe('somebody who is killed in the middle of a frame', () => {
  /** The header of DATA, and less than it says. */
  const half = Buffer.concat([...makeFrame(FrameType.DATA, 0, 1, [Buffer.alloc(5_000)]).buffers]).subarray(0, 3_000);

  it('leaves no session behind', async () => {
    const { transport } = await attachToOwner(parseSession((await startServer()).session), { name: 'killed' });
    await connectTunnel({ dial: async () => transport, token: TOKEN, clientName: 'killed' });
    const before = agent.sessions();
    transport.write(half, () => transport.destroy());
    await expect.poll(() => agent.sessions(), { timeout: 20_000 }).toBe(before - 1);
  }, 30_000);

  it('but only lost its link goes on by another route, with nothing doubled', async () => {
    const address = parseSession((await startServer()).session);
    let attached: Awaited<ReturnType<typeof attachToOwner>> | undefined;
    const link = await connectTunnel({
      dial: async (signal) => {
        // The first by way of the owner, the next to the agent itself.
        if (attached) return dialSocket({ port: agent.port })(signal);
        attached = await attachToOwner(address, { signal, name: 'cut' });
        return attached.transport;
      },
      token: TOKEN,
      clientName: 'cut',
    });
    const sessions = agent.sessions();
    const asked = link.call('fs.readFile', { path: '/size/200000' });
    attached!.transport.write(half, () => attached!.transport.destroy());
    expect((await asked).raw.byteLength).toBe(200_000);
    expect((await link.call('fs.realpath', { path: '/' })).result.path).toBe('/');
    expect(agent.sessions()).toBe(sessions);
    await link.close();
  });
});

it('lets a hundred processes attach at once', async () => {
  const { session } = await startServer();
  const links = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const { transport } = await attachToOwner(parseSession(session), { name: `child ${index}` });
      return connectTunnel({ dial: async () => transport, token: TOKEN, clientName: `child ${index}` });
    }),
  );
  const paths = await Promise.all(links.map((link, index) => link.call('fs.realpath', { path: `/${index}` })));
  expect(paths.map(({ result }) => result.path)).toEqual(links.map((_, index) => `/${index}`));
  await Promise.all(links.map((link) => link.close()));
}, 60_000);

describe('a process that attaches', () => {
  it('learns that the owner is gone', async () => {
    const server = await startServer();
    await server.close(0);
    await expect(attachToOwner(parseSession(server.session))).rejects.toMatchObject({
      code: 'ATTACH_FAILED',
      hint: expect.stringContaining('MIRRORD_TARGET'),
    });
  });

  it('learns that it is not let in', async () => {
    const { path } = parseSession((await startServer()).session);
    const wrong = { path, secret: 'c'.repeat(64) };
    await expect(attachToOwner(wrong)).rejects.toMatchObject({ code: 'ATTACH_FAILED' });
  });
});

describe('MIRRORD_SESSION', () => {
  const secret = '0123456789abcdef'.repeat(4);

  it.each(['/tmp/a:b/control', '\\\\.\\pipe\\mirrord-1', 'C:\\x'])('survives the path %s', (path) => {
    expect(parseSession(formatSession({ path, secret }))).toEqual({ path, secret });
    const wish = Buffer.from('what is wanted?>').toString('base64url');
    expect(parseSession(formatSession({ path, secret, wish }))).toEqual({ path, secret, wish });
  });

  it.each(['', 'x', `:${secret}`, `/tmp/x:${secret.slice(1)}`, `/tmp/x:${secret}0`.replace('x:', 'x')])(
    'refuses %j without repeating it',
    (value) => {
      const error = (() => {
        try {
          return parseSession(value) as never;
        } catch (failure) {
          return failure as Error & { code: string };
        }
      })();
      expect(error.code).toBe('SESSION_INVALID');
      expect(error.message).not.toContain(secret.slice(1));
    },
  );

  it('compares secrets of any length', async () => {
    expect([sameSecret('a', 'a'), sameSecret('a', 'ab'), sameSecret('', 'a')]).toEqual([true, false, false]);
    await sleep(0);
  });
});
