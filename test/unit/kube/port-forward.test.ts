import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type WebSocket from 'ws';
import { openCluster } from '../../../src/kube/cluster';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import type { Transport } from '../../../src/tunnel/transport';
import { echo, refuse, ScriptedApi, sendPorts } from '../../support/scripted-api';

let api: ScriptedApi;
let transports: Transport[] = [];
beforeEach(async () => {
  api = await ScriptedApi.start();
  transports = [];
});
afterEach(async () => {
  for (const transport of transports) transport.destroy();
  await api.stop();
});

async function dial(signal?: AbortSignal): Promise<Transport> {
  const cluster = await openCluster({
    kubeconfig: api.kubeconfig,
    context: undefined,
    acceptInvalidCertificates: false,
  });
  const transport = await dialPortForward(cluster, { namespace: 'default', pod: 'agent', port: 30_000 }, signal);
  transports.push(transport);
  return transport;
}

const dialFailure = () =>
  dial().then(
    () => Promise.reject(new Error('it opened')),
    (error) => error,
  );

const failureOf = (transport: Transport) => new Promise<any>((resolve) => transport.once('error', resolve));

describe('bytes', () => {
  it('go both ways unchanged and in order, whatever the sizes of writes', async () => {
    const transport = await dial();
    const sizes = [1, 2, 125, 126, 65_535, 65_536, 256 * 1024, 256 * 1024 + 1, 700_000];
    const sent = Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index + 1)));
    let offset = 0;
    for (const size of sizes) {
      transport.write(sent.subarray(offset, offset + size));
      offset += size;
    }
    const received: Buffer[] = [];
    let total = 0;
    for await (const chunk of transport) {
      received.push(chunk);
      total += chunk.length;
      if (total === sent.length) break;
    }
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });

  it('written together travel in one message', async () => {
    const messages: number[] = [];
    api.forward = (socket) => {
      sendPorts(socket);
      socket.on('message', (message: Buffer) => messages.push(message.length));
    };
    const transport = await dial();
    transport.cork();
    for (let i = 0; i < 50; i++) transport.write(Buffer.alloc(10));
    transport.uncork();
    await expect.poll(() => messages).toEqual([501]);
  });

  it('begin after the port, also where the port comes in two halves and bytes ride behind it', async () => {
    api.forward = (socket) => {
      socket.send(Buffer.from([0, 0x30]));
      socket.send(Buffer.from([1, 0x30, 0x75]));
      socket.send(Buffer.from([0, 0x75, 0x68, 0x69]));
    };
    const transport = await dial();
    expect((await once(transport, 'data'))[0].toString()).toBe('hi');
  });

  it('of a server that speaks first are kept until somebody reads', async () => {
    api.forward = (socket) => {
      sendPorts(socket);
      socket.send(Buffer.from('\0early'));
    };
    const transport = await dial();
    await sleep(50);
    expect((await once(transport, 'data'))[0].toString()).toBe('early');
  });
});

describe('back-pressure', () => {
  it('stops a pod that sends faster than is read, within a few MiB, and lets it go on', async () => {
    const TOTAL = 96 * 1024 * 1024;
    let server: WebSocket | undefined;
    api.forward = (socket) => {
      server = socket;
      sendPorts(socket);
      const block = Buffer.alloc(64 * 1024 + 1);
      for (let sent = 0; sent < TOTAL; sent += block.length - 1) socket.send(block);
    };
    const transport = await dial();
    await sleep(500);
    // What the client has taken is what the server no longer holds: its reader, and the kernel's socket buffers.
    expect(transport.readableLength).toBeLessThanOrEqual(1024 * 1024);
    expect(server!.bufferedAmount).toBeGreaterThan(TOTAL / 2);
    let received = 0;
    for await (const chunk of transport) {
      received += chunk.length;
      if (received === TOTAL) break;
    }
    expect(received).toBe(TOTAL);
  });

  it('tells a writer to wait when the pod does not read', async () => {
    api.forward = (socket) => {
      sendPorts(socket);
      socket.pause();
    };
    const transport = await dial();
    const block = Buffer.alloc(256 * 1024);
    let written = 0;
    const pump = (async () => {
      for (; written < 400; written++) if (!transport.write(block)) await once(transport, 'drain');
    })();
    pump.catch(() => {});
    await sleep(500);
    const stalledAt = written;
    await sleep(300);
    expect(written).toBe(stalledAt);
    expect(stalledAt).toBeLessThan(400);
    expect(transport.writableLength).toBeLessThanOrEqual(512 * 1024);
  });
});

describe('ends', () => {
  it.each([
    ['with its reason on the error channel', (socket: WebSocket) => refuse(socket), /connection refused/],
    ['without a word', (socket: WebSocket) => refuse(socket, true), /closed with code 1000/],
  ])('refused %s, before any byte', async (_, play, message) => {
    api.forward = play;
    const error = await failureOf(await dial());
    expect(error.code).toBe('PORT_FORWARD_REFUSED');
    expect(error.message).toMatch(message);
  });

  it('closed before the ports are named fails the dial', async () => {
    api.forward = (socket) => socket.close(1000);
    expect((await dialFailure()).code).toBe('PORT_FORWARD_REFUSED');
  });

  it('by the pod in order are an ordinary end, after all bytes', async () => {
    api.forward = (socket) => {
      sendPorts(socket);
      socket.send(Buffer.concat([Buffer.from([0]), Buffer.alloc(200_000, 7)]));
      socket.close(1000);
    };
    const transport = await dial();
    await sleep(50);
    let total = 0;
    for await (const chunk of transport) total += chunk.length;
    expect(total).toBe(200_000);
    expect(transport.errored).toBe(null);
  });

  it('cut in half give what came, then PORT_FORWARD_LOST', async () => {
    api.forward = (socket) => {
      sendPorts(socket);
      socket.send(Buffer.from('\0half'));
      setTimeout(() => socket.terminate(), 30);
    };
    const transport = await dial();
    await sleep(80);
    const error = failureOf(transport);
    expect((await once(transport, 'data'))[0].toString()).toBe('half');
    expect((await error).code).toBe('PORT_FORWARD_LOST');
  });

  it('fail a write after the loss instead of hanging it', async () => {
    api.forward = (socket) => {
      sendPorts(socket);
      socket.send(Buffer.from('\0x'));
      setTimeout(() => socket.terminate(), 20);
    };
    const transport = await dial();
    transport.on('error', () => {});
    await sleep(80);
    const written = await new Promise<any>((resolve) => transport.write('late', resolve));
    expect(written?.code).toMatch(/^PORT_FORWARD_LOST$|^ERR_STREAM_/);
  });

  it('of the client wait until the tail has been taken', async () => {
    let received = 0;
    let code = 0;
    api.forward = (socket) => {
      sendPorts(socket);
      socket.on('message', (message: Buffer) => {
        received += message.length - 1;
      });
      socket.on('close', (closeCode) => {
        code = closeCode;
      });
    };
    const transport = await dial();
    transport.resume();
    transport.end(Buffer.alloc(4_000_000));
    await once(transport, 'close');
    expect(received).toBe(4_000_000);
    await expect.poll(() => code).toBe(1000);
  });
});

describe('what answers instead of an upgrade', () => {
  const body = (code: number, message: string) => JSON.stringify({ kind: 'Status', message, code });
  it.each([
    [401, 'Unauthorized', 'CLUSTER_UNAUTHORIZED', /credentials of context "test"/],
    [403, 'pods "agent" is forbidden: ', 'FORBIDDEN', /may not create pods\/portforward.*"create" beside "get"/],
    [
      403,
      'pods "agent" is forbidden: User "dev" cannot get resource "pods/portforward" in API group ""',
      'FORBIDDEN',
      /may not get pods\/portforward/,
    ],
    [404, 'pods "agent" not found', 'AGENT_GONE', /pods "agent" not found/],
    [400, 'Upgrade request required', 'PORT_FORWARD_FAILED', /400 Upgrade request required/],
    [500, 'container not found ("c")', 'PORT_FORWARD_FAILED', /500 container not found/],
  ])('%i %s', async (code, message, expected, text) => {
    api.refuseUpgrade = { status: code, body: body(code, message) };
    const error = await dialFailure();
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(text);
  });

  it('nothing, when the server is gone', async () => {
    const cluster = await openCluster({
      kubeconfig: api.kubeconfig,
      context: undefined,
      acceptInvalidCertificates: false,
    });
    await api.stop();
    const error: any = await dialPortForward(cluster, { namespace: 'd', pod: 'p', port: 1 }).catch((error) => error);
    expect(error.code).toBe('CLUSTER_UNREACHABLE');
    expect(error.cause.code).toBe('ECONNREFUSED');
  });

  it('nothing at all until it is aborted', async () => {
    api.forward = () => {};
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await expect(dial(controller.signal)).rejects.toMatchObject({ code: 'START_ABORTED' });
  });
});

it('carries token and subprotocol, and offers no compression', async () => {
  api.forward = echo;
  await dial();
  const { headers, query, path } = api.requests.at(-1)!;
  expect(path).toBe('/api/v1/namespaces/default/pods/agent/portforward');
  expect(query.get('ports')).toBe('30000');
  expect(headers).toMatchObject({ authorization: 'Bearer test-token', 'sec-websocket-protocol': 'v4.channel.k8s.io' });
  expect(headers['sec-websocket-extensions']).toBeUndefined();
});
