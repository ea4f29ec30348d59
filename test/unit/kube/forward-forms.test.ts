import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import { SpdyConnection } from '../../../src/spdy/connection';
import type { SpdyStream } from '../../../src/spdy/stream';
import type { Transport } from '../../../src/tunnel/transport';
import { connectTunnel } from '../../../src/tunnel/tunnel';
import { echo, ScriptedApi } from '../../support/scripted-api';

const AGENT = { namespace: 'default', pod: 'agent', port: 30_000 };
const TUNNEL = 'SPDY/3.1+portforward.k8s.io';
type Form = 'websocket' | 'spdy-websocket' | 'spdy';
type Answer = 'refuse' | 'reset' | 'ignore' | { status: number; body?: string } | 'accept';

let api: ScriptedApi;
let cleanups: (() => void)[] = [];
/** What the server makes of a form it is asked for, and in what order it was asked. */
let answers: Partial<Record<Form, Answer>>;
let asked: string[];
let pod: (data: SpdyStream, errors: SpdyStream) => void;
const upgrader = new WebSocketServer({ noServer: true, handleProtocols: () => false, perMessageDeflate: false });
upgrader.on('headers', (headers, request) => {
  if (request.headers['x-tunnel']) headers.push(`Sec-WebSocket-Protocol: ${TUNNEL}`);
});

beforeEach(async () => {
  api = await ScriptedApi.start();
  cleanups = [];
  answers = {};
  asked = [];
  pod = (data) => data.pipe(data);
  api.onUpgrade = (request, socket, head) => {
    const offered = request.headers['sec-websocket-protocol'];
    const form: Form =
      request.headers.upgrade !== 'websocket' ? 'spdy' : offered === TUNNEL ? 'spdy-websocket' : 'websocket';
    asked.push(`${form} ${request.method}`);
    const answer = answers[form] ?? 'accept';
    if (answer === 'ignore') return true;
    if (answer === 'reset') return Boolean(socket.destroy());
    if (answer !== 'accept') return refuse(socket, answer === 'refuse' ? { status: 400 } : answer);
    if (form === 'websocket') return false;
    if (form === 'spdy') {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n',
      );
      serve(new SpdyConnection(socket, 'server'));
      return true;
    }
    request.headers['x-tunnel'] = '1';
    delete request.headers['sec-websocket-protocol'];
    upgrader.handleUpgrade(request, socket, head, (webSocket) =>
      serve(new SpdyConnection(createWebSocketStream(webSocket), 'server')),
    );
    return true;
  };
});
afterEach(async () => {
  for (const cleanup of cleanups) cleanup();
  await api.stop();
});

function refuse(socket: Socket, { status, body = '' }: { status: number; body?: string }): true {
  socket.end(
    `HTTP/1.1 ${status} No\r\nContent-Length: ${body.length}\r\nContent-Type: application/json\r\n\r\n${body}`,
  );
  return true;
}

function serve(connection: SpdyConnection): void {
  let errors: SpdyStream | undefined;
  connection.on('stream', (stream) => {
    expect(stream.headers.port).toBe('30000');
    if (stream.headers.streamtype === 'error') errors = stream.resume() as SpdyStream;
    else pod(stream, errors!);
  });
}

async function open(env: NodeJS.ProcessEnv = {}): Promise<Cluster> {
  const access = { kubeconfig: api.kubeconfig, context: undefined, acceptInvalidCertificates: false };
  const cluster = await openCluster(access, env);
  cleanups.push(() => cluster.close());
  return cluster;
}

async function dial(cluster: Cluster): Promise<Transport> {
  const transport = await dialPortForward(cluster, AGENT);
  transport.on('error', () => {});
  cleanups.push(() => transport.destroy());
  return transport;
}

const only = (form: Form) => open({ MIRRORD_PORT_FORWARD: form });

describe.each(['spdy-websocket', 'spdy'] as const)('%s', (form) => {
  it('carries bytes both ways unchanged and in order', async () => {
    const transport = await dial(await only(form));
    const sent = Buffer.concat([1, 65_536, 300_000, 2_000_000].map((size, index) => Buffer.alloc(size, index + 1)));
    transport.write(sent.subarray(0, 100_000));
    transport.end(sent.subarray(100_000));
    const received: Buffer[] = [];
    for await (const chunk of transport) received.push(chunk);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(asked).toEqual([`${form} ${form === 'spdy' ? 'POST' : 'GET'}`]);
  });

  it('ends one direction and leaves the other open', async () => {
    pod = (data) => {
      data.resume().once('end', () => data.end('after your end'));
    };
    const transport = await dial(await only(form));
    transport.end('all');
    expect(String((await once(transport, 'data'))[0])).toBe('after your end');
  });

  it('stops taking from the app when the pod does not read', async () => {
    pod = () => {};
    const transport = await dial(await only(form));
    let written = 0;
    const chunk = Buffer.alloc(1024 * 1024);
    const write = () => {
      while (written < 256 && transport.write(chunk, () => {})) written += 1;
    };
    transport.on('drain', () => {
      written += 1;
      write();
    });
    write();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(written).toBeLessThan(200);
  });

  it('says in its words that nothing listens on the port', async () => {
    pod = (data, errors) => {
      errors.end('connection refused in the pod');
      data.end();
    };
    const transport = await dial(await only(form));
    const [error] = await once(transport, 'error');
    expect(error).toMatchObject({ code: 'PORT_FORWARD_REFUSED' });
    expect(error.message).toContain('connection refused in the pod');
  });

  it('that is cut gives what came before, then PORT_FORWARD_LOST', async () => {
    pod = (data) => {
      data.write('before');
      data.once('data', () => data.destroy());
    };
    const transport = await dial(await only(form));
    const failed = once(transport, 'error');
    transport.write('x');
    const received: string[] = [];
    transport.on('data', (chunk) => received.push(String(chunk)));
    expect((await failed)[0]).toMatchObject({ code: 'PORT_FORWARD_LOST' });
    expect(received.join('')).toBe('before');
  });
});

/** Pings that the server has seen, by form. */
function countPings(form: Form): () => number {
  let pings = 0;
  const take = api.onUpgrade;
  if (form === 'spdy') {
    // The header of a ping, control frame 6 of version 3.
    const header = Buffer.from([0x80, 3, 0, 6]);
    api.onUpgrade = (request, socket, head) => {
      const taken = take(request, socket, head);
      socket.prependListener('data', (chunk: Buffer) => (pings += chunk.includes(header) ? 1 : 0));
      return taken;
    };
  } else if (form === 'websocket') {
    api.forward = (socket) => {
      socket.on('ping', () => (pings += 1));
      echo(socket);
    };
  } else {
    api.onUpgrade = (request, socket, head) => {
      const done = upgrader.handleUpgrade.bind(upgrader);
      upgrader.handleUpgrade = (asked, raw, first, then) =>
        done(asked, raw, first, (webSocket, of) => {
          upgrader.handleUpgrade = done;
          webSocket.on('ping', () => (pings += 1));
          then(webSocket, of);
        });
      return take(request, socket, head);
    };
  }
  return () => pings;
}

describe.each(['websocket', 'spdy-websocket', 'spdy'] as const)('%s', (form) => {
  it('that stays silent for half a minute is pinged, as long as it is open', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const pings = countPings(form);
      const transport = await dial(await only(form));
      vi.advanceTimersByTime(29_000);
      transport.write('x');
      await once(transport, 'data');
      expect(pings()).toBe(0);
      vi.advanceTimersByTime(1_000);
      await expect.poll(pings, { timeout: 10_000 }).toBe(1);
      vi.advanceTimersByTime(30_000);
      await expect.poll(pings, { timeout: 10_000 }).toBe(2);
      const before = vi.getTimerCount();
      transport.destroy();
      await expect.poll(() => vi.getTimerCount(), { timeout: 10_000 }).toBeLessThan(before);
    } finally {
      vi.useRealTimers();
    }
  });

  it('whose upgrade is never answered is given up in time, with what was waited for', async () => {
    answers = { [form]: 'ignore' };
    const cluster = await only(form);
    const dialled = (signal?: AbortSignal) => dialPortForward(cluster, AGENT, signal);
    const error = await connectTunnel({ dial: dialled, token: '', clientName: '', connectTimeoutMs: 300 }).catch(
      (reason) => reason,
    );
    expect(error).toMatchObject({
      code: 'LINK_TIMEOUT',
      message: `no connection to the agent within 0.3 s: the API server 127.0.0.1:${api.port} did not answer the upgrade to a port-forward to pod "agent" (${form})`,
    });
    // Nothing of it is left behind.
    await expect.poll(() => api.openConnections).toBe(0);
  });

  it('of a server that takes the connection and says nothing at all is given up likewise', async () => {
    const taken = new Set<Socket>();
    const silent = createServer((socket) => void taken.add(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    cleanups.push(() => {
      for (const socket of taken) socket.destroy();
      silent.close();
    });
    const kubeconfig = api.writeKubeconfig({ server: `https://127.0.0.1:${port}`, name: 'silent' });
    const access = { kubeconfig, context: undefined, acceptInvalidCertificates: false };
    const cluster = await openCluster(access, { MIRRORD_PORT_FORWARD: form });
    cleanups.push(() => cluster.close());
    const dialled = (signal?: AbortSignal) => dialPortForward(cluster, AGENT, signal);
    await expect(
      connectTunnel({ dial: dialled, token: '', clientName: '', connectTimeoutMs: 300 }),
    ).rejects.toMatchObject({
      code: 'LINK_TIMEOUT',
      message: expect.stringContaining(`127.0.0.1:${port} did not answer`),
    });
  });
});

describe.each(['spdy-websocket', 'spdy'] as const)('%s', (form) => {
  it('stops a pod that sends faster than is read, and lets it go on', async () => {
    const TOTAL = 64 * 1024 * 1024;
    let sent = 0;
    pod = (data) => {
      const block = Buffer.alloc(64 * 1024, 7);
      const pump = () => {
        while (sent < TOTAL) {
          sent += block.length;
          if (!data.write(block)) return void data.once('drain', pump);
        }
        data.end();
      };
      pump();
    };
    const transport = await dial(await only(form));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(transport.readableLength).toBeLessThanOrEqual(2 * 1024 * 1024);
    // Beside that, what the sockets of both ends hold.
    expect(sent).toBeLessThan(TOTAL / 2);
    let received = 0;
    for await (const chunk of transport) received += chunk.length;
    expect(received).toBe(TOTAL);
  });

  it('can be ended by both sides, one after the other, and then closes as a whole', async () => {
    let heard = '';
    pod = (data) => {
      data.on('data', (chunk) => {
        heard += chunk;
      });
      data.once('end', () => data.end('bye'));
    };
    const transport = await dial(await only(form));
    transport.end('all of it');
    let told = '';
    for await (const chunk of transport) told += chunk;
    expect([heard, told]).toEqual(['all of it', 'bye']);
    await expect.poll(() => transport.closed).toBe(true);
    expect(transport.errored).toBe(null);
    await expect.poll(() => api.openConnections).toBe(0);
  });
});

describe('the choice', () => {
  it('passes over a form whose upgrade is never answered, and begins with another one from then on', async () => {
    answers = { websocket: 'ignore' };
    const cluster = await open();
    const told: string[] = [];
    cluster.tell = (text) => told.push(text);
    await dial(cluster);
    await dial(cluster);
    expect(asked).toEqual(['websocket GET', 'spdy-websocket GET', 'spdy-websocket GET']);
    expect(told).toEqual([
      `port-forward by spdy-websocket, because others were refused (websocket: the API server 127.0.0.1:${api.port} did not answer the upgrade to a port-forward to pod "agent" within 5 s.)`,
    ]);
  });

  it('begins with what is fastest, and stays with what worked', async () => {
    answers = { websocket: { status: 403 }, 'spdy-websocket': { status: 400 } };
    const cluster = await open();
    const told: string[] = [];
    cluster.tell = (text) => told.push(text);
    await dial(cluster);
    await dial(cluster);
    expect(asked).toEqual(['websocket GET', 'spdy-websocket GET', 'spdy POST', 'spdy POST']);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/by spdy.*websocket: .*403.*spdy-websocket: .*400/);
  });

  it('goes on when something on the way resets an upgrade', async () => {
    answers = { websocket: 'reset' };
    await dial(await open());
    expect(asked.at(-1)).toBe('spdy-websocket GET');
  });

  it('goes on where one verb is granted and the other is not, and tells the first refusal when none is', async () => {
    const body = JSON.stringify({
      kind: 'Status',
      reason: 'Forbidden',
      message: 'pods "agent" is forbidden: User "u" cannot get resource "pods/portforward"',
    });
    answers = { websocket: { status: 403, body }, 'spdy-websocket': { status: 403, body } };
    await dial(await open());
    expect(asked.at(-1)).toBe('spdy POST');
    answers.spdy = { status: 403, body: body.replace('cannot get', 'cannot create') };
    await expect(dial(await open())).rejects.toMatchObject({ code: 'FORBIDDEN', details: { verb: 'get' } });
  });

  it('names every form when none is accepted', async () => {
    answers = { websocket: { status: 400 }, 'spdy-websocket': { status: 426 }, spdy: { status: 501 } };
    const error = await dial(await open()).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'PORT_FORWARD_FAILED', details: { status: 400 } });
    expect(error.message).toMatch(/websocket: .*400[\s\S]*spdy-websocket: .*426[\s\S]*spdy: .*501/);
  });

  it.each([
    [
      'a pod that is gone',
      { status: 404, body: '{"reason":"NotFound","message":"pods agent not found"}' },
      'AGENT_GONE',
    ],
    ['a pod that does not run', { status: 500, body: 'container not found' }, 'PORT_FORWARD_FAILED'],
    ['credentials', { status: 401, body: '{"reason":"Unauthorized","message":"no"}' }, 'CLUSTER_UNAUTHORIZED'],
  ])('is not the question with %s', async (_, answer, code) => {
    answers = { websocket: answer };
    await expect(dial(await open())).rejects.toMatchObject({ code });
    expect(asked).toHaveLength(1);
  });

  it('can be made by the user, who is told of a word that is none', async () => {
    await dial(await only('spdy'));
    expect(asked).toEqual(['spdy POST']);
    await expect(open({ MIRRORD_PORT_FORWARD: 'carrier-pigeon' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID_VALUE',
    });
  });
});
