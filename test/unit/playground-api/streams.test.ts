import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type Cluster, load, readFixture, startCluster } from './support';

let cluster: Cluster;
let echo: net.Server;
let echoPort: number;

beforeAll(async () => {
  cluster = await startCluster();
  const recorded = load(cluster.store, 'pods', 'pod-running.json');
  cluster.store.create('pods', { ...recorded, metadata: { name: 'web-5677dd67bf-fp78w', namespace: 'default' } });
  echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  echoPort = (echo.address() as AddressInfo).port;
});
afterAll(async () => {
  echo.close();
  await cluster.server.close();
});

interface Frame {
  channel: number;
  text: string;
}

/** The request line and the frames of a recording; the payloads of one channel are joined. */
function readRecording(name: string) {
  const text = readFixture(`${name}.txt`);
  const [, path = ''] = /^GET (\S+) HTTP/m.exec(text) ?? [];
  const [, protocol] = /^Sec-WebSocket-Protocol: (\S+)\n[^#]*# S>C/m.exec(text) ?? [];
  const [, status = ''] = /# S>C[^\n]*\nHTTP\/1\.1 (\d+)/.exec(text) ?? [];
  const frames: Frame[] = [];
  for (const [, opcode, channel, payload] of text.matchAll(
    /^S>C \+\d+ms fin=1 opcode=(\d) len=\d+ (?:ch=(\d+) )?([\s\S]*?)(?=\n[SC]>|\n# |$)/gm,
  )) {
    if (opcode === '2') frames.push({ channel: Number(channel), text: payload!.trim() });
    if (opcode === '1') frames.push({ channel: Number(payload![0]), text: payload!.slice(1).trim() });
  }
  return { path, protocol, status: Number(status), frames };
}

function open(path: string, protocol?: string, token = cluster.server.token): WebSocket {
  const url = `wss://127.0.0.1:${cluster.server.port}${path}`;
  const options = { ca: cluster.server.caPem, headers: { authorization: `Bearer ${token}` }, perMessageDeflate: false };
  return protocol ? new WebSocket(url, [protocol], options) : new WebSocket(url, options);
}

interface Session {
  frames: Frame[];
  code: number;
  protocol: string;
}

/** Collects what the server sends until it closes. */
async function collect(socket: WebSocket): Promise<Session> {
  const frames: Frame[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    const channel = isBinary ? data[0]! : data[0]! - 0x30;
    frames.push({ channel, text: data.toString('latin1', 1).trim() });
  });
  const [code] = (await once(socket, 'close')) as [number];
  return { frames, code, protocol: socket.protocol };
}

async function refusal(socket: WebSocket): Promise<{ status: number; body: string; type: string | undefined }> {
  const [, response] = await once(socket, 'unexpected-response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, body, type: response.headers['content-type'] };
}

/** stdout and stderr race; within a channel the order is what counts. */
const byChannel = (frames: Frame[]) => [...frames].sort((a, b) => a.channel - b.channel);

describe('exec over a WebSocket answers frame by frame as recorded', () => {
  it.each(['ws-exec-v5', 'ws-exec-v4', 'ws-exec-channel', 'ws-exec-base64', 'ws-exec-none'])('%s', async (name) => {
    const recorded = readRecording(name);
    const { frames, code, protocol } = await collect(open(recorded.path, recorded.protocol));
    expect(recorded.frames.length).toBe(4);
    expect(frames[0]).toEqual(recorded.frames[0]);
    expect(byChannel(frames)).toEqual(byChannel(recorded.frames));
    expect(code).toBe(1000);
    expect(protocol).toBe(recorded.protocol ?? '');
  });

  it.each(['ws-exec-bogus', 'ws-exec-v3', 'ws-portforward-portforward.k8s.io'])('%s is refused', async (name) => {
    const recorded = readRecording(name);
    const { status, body } = await refusal(open(recorded.path, recorded.protocol));
    expect({ status, body }).toEqual({ status: recorded.status, body: '' });
  });

  it.each(['ws-exec-nopod', 'ws-portforward-v4-nopod'])('%s is a Status before the upgrade', async (name) => {
    const recorded = readRecording(name);
    const { status, body, type } = await refusal(open(recorded.path, recorded.protocol));
    const [expected] = /^\{"kind".*\}$/m.exec(readFixture(`${name}.txt`))!;
    expect(status).toBe(404);
    expect(type).toBe('application/json');
    expect(JSON.parse(body)).toEqual(JSON.parse(expected));
  });
});

const POD = '/api/v1/namespaces/default/pods/web-5677dd67bf-fp78w';

describe('exec', () => {
  it('ends the input of a command when v5 closes the channel', async () => {
    const socket = open(`${POD}/exec?container=side&stdin=1&stdout=1&command=cat`, 'v5.channel.k8s.io');
    const session = collect(socket);
    await once(socket, 'open');
    socket.send(Buffer.from('\x00hello'));
    socket.send(Buffer.from([255, 0]));
    const { frames } = await session;
    expect(frames).toEqual([
      { channel: 1, text: '' },
      { channel: 1, text: 'hello' },
      { channel: 3, text: '{"metadata":{},"status":"Success"}' },
    ]);
  });

  it('tells of a command that does not exist on the status channel', async () => {
    const { frames } = await collect(
      open(`${POD}/exec?container=side&stdout=1&command=/nonexistent`, 'v5.channel.k8s.io'),
    );
    const status = JSON.parse(frames.at(-1)!.text);
    expect(status).toMatchObject({ status: 'Failure', reason: 'InternalError', code: 500 });
    expect(status.message).toContain('/nonexistent');
  });

  it('delivers a large output completely before the status', async () => {
    const command = 'command=sh&command=-c&command=' + encodeURIComponent('head -c 20000000 /dev/zero');
    const socket = open(`${POD}/exec?container=side&stdout=1&${command}`, 'v5.channel.k8s.io');
    let bytes = 0;
    let last = -1;
    socket.on('message', (data: Buffer) => {
      last = data[0]!;
      if (last === 1) bytes += data.length - 1;
    });
    await once(socket, 'close');
    expect(bytes).toBe(20_000_000);
    expect(last).toBe(3);
  });

  it('kills the command when the client goes', async () => {
    const marker = `mirrord-gone-${process.pid}`;
    const script = encodeURIComponent(`trap 'exit' TERM; echo started; sleep 30 # ${marker}`);
    const socket = open(
      `${POD}/exec?container=side&stdout=1&command=sh&command=-c&command=${script}`,
      'v5.channel.k8s.io',
    );
    await new Promise<void>((resolve) => socket.on('message', (data: Buffer) => data.length > 1 && resolve()));
    socket.terminate();
    await expect.poll(() => isRunning(marker)).toBe(false);
  });

  it('of a container that does not run is refused by the kubelet', async () => {
    load(cluster.store, 'pods', 'pod-state-noimage.json');
    const socket = open('/api/v1/namespaces/default/pods/noimage/exec?command=ls&stdout=1', 'v5.channel.k8s.io');
    expect(await refusal(socket)).toMatchObject({ status: 500, body: 'container not found ("c")' });
  });

  it('needs the token', async () => {
    const socket = open(`${POD}/exec?container=side&stdout=1&command=ls`, 'v5.channel.k8s.io', 'wrong');
    expect((await refusal(socket)).status).toBe(401);
  });
});

async function isRunning(marker: string): Promise<boolean> {
  const { readdirSync, readFileSync } = await import('node:fs');
  return readdirSync('/proc').some((entry) => {
    try {
      return (
        /^\d+$/.test(entry) &&
        entry !== String(process.pid) &&
        readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(marker)
      );
    } catch {
      return false;
    }
  });
}

describe('port-forward over channels', () => {
  const forward = (...ports: number[]) =>
    open(`${POD}/portforward?${ports.map((port) => `ports=${port}`).join('&')}`, 'v4.channel.k8s.io');

  it('announces each port on both of its channels, then carries data', async () => {
    const socket = forward(echoPort, echoPort);
    const messages: Buffer[] = [];
    socket.on('message', (data: Buffer) => messages.push(data));
    await once(socket, 'open');
    socket.send(Buffer.from('\x02second'));
    await expect.poll(() => messages.length).toBe(5);
    const port = Buffer.alloc(2);
    port.writeUInt16LE(echoPort);
    expect(messages.slice(0, 4)).toEqual([0, 1, 2, 3].map((channel) => Buffer.concat([Buffer.from([channel]), port])));
    expect(messages[4]!.toString()).toBe('\x02second');
    socket.terminate();
  });

  it('tells of a refused port in the words that were recorded, and closes', async () => {
    const [, recorded = ''] = /ch=1 (error forwarding.*)/.exec(readFixture('ws-portforward-v4-refused.txt'))!;
    const { frames, code } = await collect(forward(9));
    const plain = (text: string) =>
      text
        .replace(/[0-9a-f]{64}/g, 'ID')
        .replace(/"\/var\/run\/netns\/[^"]*"/, 'NETNS')
        .trim();
    expect(frames.map(({ channel }) => channel)).toEqual([0, 1, 1]);
    expect(plain(frames[2]!.text)).toBe(plain(recorded));
    expect(code).toBe(1000);
  });

  it('without ports is refused', async () => {
    expect(await refusal(open(`${POD}/portforward`, 'v4.channel.k8s.io'))).toMatchObject({ status: 400 });
  });

  it.each(['0', '65536', 'x'])('refuses port %s', async (port) => {
    expect((await refusal(open(`${POD}/portforward?ports=${port}`, 'v4.channel.k8s.io'))).status).toBe(400);
  });

  it('holds the pod back while the client does not read', async () => {
    let written = 0;
    const source = net.createServer((socket) => {
      const push = (): void => {
        while (written < 200e6) {
          written += 65_536;
          if (!socket.write(Buffer.alloc(65_536))) break;
        }
      };
      socket.on('drain', push).on('error', () => {});
      push();
    });
    source.listen(0, '127.0.0.1');
    await once(source, 'listening');
    const socket = forward((source.address() as AddressInfo).port);
    await once(socket, 'open');
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(written).toBeLessThan(60e6);
    socket.terminate();
    source.close();
  });

  it('holds the client back while the pod does not read', async () => {
    const lazy = net.createServer((socket) => socket.pause().on('error', () => {}));
    lazy.listen(0, '127.0.0.1');
    await once(lazy, 'listening');
    const socket = forward((lazy.address() as AddressInfo).port);
    await once(socket, 'open');
    for (let i = 0; i < 1500; i++) socket.send(Buffer.alloc(65_537));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(socket.bufferedAmount).toBeGreaterThan(40e6);
    socket.terminate();
    lazy.close();
  });
});
