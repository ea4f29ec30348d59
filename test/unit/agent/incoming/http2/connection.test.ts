import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream, type ServerOptions } from 'node:http2';
import { connect, createServer as createNetServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FLAG, frame, goawayFrame, headerFrames, TYPE } from '../../../../../src/agent/incoming/http2/frame';
import { FrameReader } from '../../../../../src/agent/incoming/http2/frame-reader';
import { encodeFields } from '../../../../../src/agent/incoming/http2/hpack/encode';
import {
  ask,
  type Between,
  type BetweenOptions,
  listen,
  namedServer,
  openSession,
  portOf,
  startBetween,
} from './harness';

let pod: Server;
let developer: Server;
const open: Between[] = [];
const servers: Server[] = [];
/** Of the servers of a test's own. */
const sockets: Socket[] = [];
const between = async (options: Partial<BetweenOptions> = {}) => {
  const made = await startBetween({ pod: portOf(pod), developer: portOf(developer), ...options });
  open.push(made);
  return made;
};

/** A server of the test's own. */
const serving = async (onStream: (stream: ServerHttp2Stream, path: string, raw: string[]) => void, settings = {}) => {
  const server = createServer({ settings, maxHeaderListPairs: 5_000, maxSendHeaderBlockLength: 1e6 } as ServerOptions);
  server.on('connection', (socket) => sockets.push(socket));
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    stream.on('error', () => {});
    onStream(stream, String(headers[':path']), raw);
  });
  servers.push(server as never);
  return portOf(await listen(server as never));
};

async function until(what: string, test: () => boolean): Promise<void> {
  for (let round = 0; round < 2_000 && !test(); round++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!test()) throw new Error(`waited for ${what}`);
}

beforeAll(async () => {
  pod = await namedServer('pod');
  developer = await namedServer('developer');
});
afterEach(async () => {
  for (const made of open.splice(0)) {
    await until('the connections to end', () => made.connections.size === 0);
    made.close();
  }
  for (const server of servers.splice(0)) server.close();
  sockets.length = 0;
});
afterAll(() => {
  pod.close();
  developer.close();
});

describe('one session of HTTP/2', () => {
  it('has its requests divided', async () => {
    const { port } = await between();
    const session = openSession(port);
    const all: string[] = [];
    for (const path of ['/pod', '/mine', '/pod/2', '/mine/2']) all.push((await ask(session, path)).text);
    all.push((await ask(session, '/mine', 'hello')).text, (await ask(session, '/pod', 'hello')).text);
    session.close();
    expect(all).toEqual([
      'pod /pod []',
      'developer /mine []',
      'pod /pod/2 []',
      'developer /mine/2 []',
      'developer /mine [hello]',
      'pod /pod [hello]',
    ]);
  });

  it.each(['/pod', '/mine'])('ends with its caller: %s', async (path) => {
    const { port } = await between();
    const session = openSession(port);
    await ask(session, path);
    session.destroy();
  });

  it.each([{}, { headerTableSize: 0 }, { headerTableSize: 100 }, { headerTableSize: 100_000 }])(
    'carries all headers both ways, with the settings %j at both ends',
    async (settings) => {
      const echo = (name: string) => (stream: ServerHttp2Stream, _path: string, raw: string[]) => {
        const back: Record<string, string> = { ':status': '200', 'x-name': name };
        for (let at = 0; at < raw.length; at += 2)
          if (raw[at]!.startsWith('x-')) back[`${raw[at]}-back`] = raw[at + 1]!;
        stream.respond(back);
        stream.end();
      };
      const { port } = await between({
        pod: await serving(echo('pod'), settings),
        developer: await serving(echo('developer'), settings),
      });
      const session = openSession(port, settings);
      for (let round = 0; round < 60; round++) {
        const isMine = (round * 7) % 3 === 0;
        const given: Record<string, string> = { ':path': isMine ? '/mine' : '/pod' };
        for (let n = 0; n < 12; n++)
          given[`x-${(round * n) % 17}`] = `${'v'.repeat((round * 31 * n) % 300)}${round % 5}`;
        const got = await new Promise<Record<string, unknown>>((resolve, reject) => {
          const stream = session.request(given);
          stream.on('response', resolve).on('error', reject).resume();
        });
        expect(got['x-name']).toBe(isMine ? 'developer' : 'pod');
        for (const name of Object.keys(given).slice(1))
          expect(got[`${name}-back`], `${round} ${name}`).toBe(given[name]);
        if (round === 30 && 'headerTableSize' in settings) session.settings({ headerTableSize: 50 });
      }
      session.close();
    },
  );

  it('carries headers that take many frames, and refuses those that are too many', async () => {
    const answer = (name: string) => (stream: ServerHttp2Stream, _path: string, raw: string[]) => {
      stream.respond({ ':status': 200, 'x-long': 'l'.repeat(40_000) });
      stream.end(`${name} ${raw.filter((text) => text.length === 9_000).length}`);
    };
    const { port } = await between({
      pod: await serving(answer('pod'), { maxHeaderListSize: 200_000 }),
      developer: await serving(answer('developer')),
    });
    const session = openSession(port);
    const say = (path: string, count: number) =>
      new Promise<string>((resolve) => {
        const headers: Record<string, string> = { ':path': path };
        for (let n = 0; n < count; n++) headers[`x-${n}`] = String(n % 10).repeat(9_000);
        const stream = session.request(headers);
        let text = '';
        let size = 0;
        stream.on('response', (got) => (size = String(got['x-long']).length));
        stream.on('data', (chunk) => (text += chunk));
        stream.on('error', () => {});
        stream.on('close', () => resolve(`${text} ${size} ${stream.rstCode}`));
      });
    expect(await say('/pod', 6)).toBe('pod 6 40000 0');
    expect(await say('/mine', 6)).toBe('developer 6 40000 0');
    expect(await say('/pod', 6)).toBe('pod 6 40000 0');
    session.close();
  });

  it('gives each its part of the windows, and loses no byte', async () => {
    const size = 700_000;
    const give = (name: string) => (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(size, name));
    };
    const { port } = await between({
      pod: await serving(give('pod')),
      developer: await serving(give('developer')),
    });
    const session = openSession(port);
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, n) => ask(session, n % 2 ? '/mine' : '/pod').then(({ text }) => text)),
    );
    for (const [n, text] of all.entries())
      expect(text === Buffer.alloc(size, n % 2 ? 'developer' : 'pod').toString()).toBe(true);
    expect((await ask(session, '/pod')).text).toHaveLength(size);
    session.close();
  });

  it('sends bodies to both, through windows as small as they are', async () => {
    const { port } = await between();
    const session = openSession(port);
    const body = (n: number) => `${n}`.repeat(400_000);
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, n) => ask(session, n % 2 ? '/mine' : '/pod', body(n)).then(({ text }) => text)),
    );
    for (const [n, text] of all.entries())
      expect(text === `${n % 2 ? 'developer /mine' : 'pod /pod'} [${body(n)}]`).toBe(true);
    session.close();
  });

  it('has bodies looked at, more of them at once than a window holds', async () => {
    const { port } = await between({
      needsBody: true,
      decide: ({ body }) => (body?.includes('"mine"') ? 'taken' : undefined),
    });
    const session = openSession(port);
    const bodies = Array.from({ length: 30 }, (_, n) => `${n % 3 ? '"pods"' : '"mine"'}${'.'.repeat(30_000)}`);
    const all = await Promise.all(bodies.map((body) => ask(session, '/', body)));
    expect(all.map(({ text }) => text.split(' ')[0])).toEqual(bodies.map((_, n) => (n % 3 ? 'pod' : 'developer')));
    for (const [n, { text }] of all.entries()) expect(text.endsWith(`[${bodies[n]}]`)).toBe(true);
    expect((await ask(session, '/')).text).toBe('pod / []');
    session.close();
  });

  it('takes no time of one whose reader has stopped', async () => {
    const give = (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(500_000, 'x'));
    };
    const { port } = await between({ developer: await serving(give) });
    const session = openSession(port, { initialWindowSize: 10_000 });
    const stopped = session.request({ ':path': '/mine' });
    await new Promise((resolve) => stopped.once('response', resolve));
    stopped.pause();
    expect((await ask(session, '/pod')).text).toBe('pod /pod []');
    expect((await ask(session, '/mine')).text).toHaveLength(500_000);
    stopped.close(8);
    session.close();
  });

  it('is answered by others where the pod cannot be reached, and reset for what is the pod’s', async () => {
    const nobody = await namedServer('nobody');
    const port = portOf(nobody);
    await new Promise((resolve) => nobody.close(resolve));
    const made = await between({ pod: port });
    const session = openSession(made.port);
    expect((await ask(session, '/mine', 'hello')).text).toBe('developer /mine [hello]');
    await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
    expect(await ask(session, '/pod')).toMatchObject({ status: undefined });
    await until('the reset', () => session.destroyed);
  });

  it('is answered by others while the pod’s server is silent', async () => {
    const held: Socket[] = [];
    const silent = await listen(
      (await import('node:net')).createServer((socket) => held.push(socket.on('error', () => {}))),
    );
    servers.push(silent);
    const { port } = await between({ pod: portOf(silent) });
    const session = openSession(port);
    expect((await ask(session, '/mine')).text).toBe('developer /mine []');
    session.destroy();
    for (const socket of held) socket.destroy();
  });

  it.each(['', 'pod', 'a text that is longer than the head of a frame'])(
    'is answered by others where the pod speaks no HTTP/2 but says: %s',
    async (text) => {
      const other = await listen(createNetServer((socket) => socket.on('error', () => {}).end(text)));
      servers.push(other);
      const { port } = await between({ pod: portOf(other) });
      const session = openSession(port);
      const body = 'x'.repeat(300_000);
      expect((await ask(session, '/mine', body)).text).toBe(`developer /mine [${body}]`);
      session.close();
      // Who asks for what is the pod's hears it from the pod.
      const heard = await new Promise<string>((resolve) => {
        const socket = connect({ port, host: '127.0.0.1' });
        let got = '';
        socket.on('data', (chunk) => (got += chunk)).on('error', () => {});
        socket.on('close', () => resolve(got));
        socket.write(Buffer.concat([PREFACE, SETTINGS, request(1, '/pod')]));
      });
      expect(heard).toBe(text);
    },
  );

  it('lets those finish whom others answer when the pod goes, and tells the rest', async () => {
    let answer: (() => void) | undefined;
    let asked = 0;
    const { port } = await between({
      pod: await serving(() => {
        asked += 1;
      }),
      developer: await serving((stream) => {
        stream.respond({ ':status': 200 });
        answer = () => stream.end('in time');
      }),
    });
    const session = openSession(port);
    const mine = ask(session, '/mine');
    const pods = ask(session, '/pod');
    await until('both', () => asked === 1 && answer !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // The first one to be connected to.
    sockets[0]!.resetAndDestroy();
    expect(await pods).toMatchObject({ status: undefined, code: 8 });
    answer!();
    expect(await mine).toMatchObject({ text: 'in time', code: 0 });
    await until('the end', () => session.destroyed);
  });

  it('says of a request that nobody takes why, or hands it to the pod', async () => {
    const refusing = await between({ developer: undefined });
    const session = openSession(refusing.port);
    const told = await Promise.all([ask(session, '/mine'), ask(session, '/mine', 'x'.repeat(200_000))]);
    for (const { status, text } of told) expect(`${status} ${text}`).toMatch(/^502 mirrord: .* taken by ann, .*\n$/);
    expect((await ask(session, '/pod', 'x'.repeat(100_000))).text).toHaveLength(100_011);
    session.close();
    const falling = await between({ developer: undefined, fallback: 'pod' });
    const second = openSession(falling.port);
    expect((await ask(second, '/mine', 'hello')).text).toBe('pod /mine [hello]');
    second.close();
  });

  it('is copied, whoever answers', async () => {
    const heard: string[] = [];
    const copies = await serving((stream, path) => {
      let body = '';
      stream.on('data', (chunk) => (body += chunk));
      stream.on('end', () => heard.push(`${path} ${body.length}`));
    });
    const { port } = await between({
      developer: copies,
      decide: ({ target }) => (target.startsWith('/copy') ? 'copy' : undefined),
    });
    const session = openSession(port);
    expect((await ask(session, '/copy/1', 'x'.repeat(300_000))).text).toHaveLength(300_014);
    expect((await ask(session, '/copy/2')).text).toBe('pod /copy/2 []');
    await until('both copies', () => heard.length === 2);
    expect(heard.sort()).toEqual(['/copy/1 300000', '/copy/2 0']);
    session.close();
  });
});

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const SETTINGS = frame(TYPE.settings, 0, 0, Buffer.alloc(0));
const field = (name: string, value: string) => ({ name, value, never: false });
const request = (stream: number, path: string, ended = true) =>
  headerFrames(
    stream,
    encodeFields([field(':method', 'GET'), field(':scheme', 'http'), field(':path', path), field(':authority', 'a')]),
    ended,
    16_384,
  );

/** Says all that at once, and gives the types and payloads of the frames that came until the end. */
function talk(port: number, frames: Buffer[], waitMs = 400): Promise<string[]> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let got: Buffer = Buffer.alloc(0);
    const settle = () => {
      clearTimeout(limit);
      socket.destroy();
      const said: string[] = [];
      for (let at = 0; at + 9 <= got.length; ) {
        const length = got.readUIntBE(at, 3);
        said.push(
          `${got[at + 3]}/${got.readUInt32BE(at + 5)}/${got.toString('hex', at + 9, at + 9 + Math.min(length, 8))}`,
        );
        at += 9 + length;
      }
      resolve(said);
    };
    const limit = setTimeout(settle, waitMs);
    socket.on('data', (chunk) => (got = Buffer.concat([got, chunk])));
    socket.on('error', () => {}).on('close', settle);
    socket.write(Buffer.concat([PREFACE, SETTINGS, ...frames]));
  });
}

const window = (stream: number, more: number) => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(more);
  return frame(TYPE.windowUpdate, 0, stream, payload);
};

it('a caller of HTTP/2 never gets more than it has made room for, and all of it in the end', async () => {
  const size = 200_000;
  const give = (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.end(Buffer.alloc(size));
  };
  const { port } = await between({ pod: await serving(give), developer: await serving(give) });
  let room = 65_535;
  const got = new Map<number, number>();
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
  const reader = new FrameReader(
    0,
    1e6,
    ({ type, flags, stream, length }) => {
      if (type === TYPE.settings && !(flags & FLAG.ack))
        socket.write(frame(TYPE.settings, FLAG.ack, 0, Buffer.alloc(0)));
      if (type !== TYPE.data) return undefined;
      got.set(stream, (got.get(stream) ?? 0) + length);
      room -= length;
      return undefined;
    },
    () => {},
  );
  socket.on('data', (chunk) => reader.read(chunk));
  // What the developer's takes first is not the pod's to use a second time.
  socket.write(Buffer.concat([PREFACE, SETTINGS, request(1, '/mine'), window(1, 1e6)]));
  for (let given = 0; given < size; given += 50_000) {
    await until('what there is room for', () => got.get(1) === Math.min(size, 65_535 + given));
    room += 50_000;
    socket.write(window(0, 50_000));
  }
  socket.write(Buffer.concat([request(3, '/pod'), window(3, 1e6)]));
  await until('the pod to use all of it', () => (got.get(3) ?? 0) >= 65_535);
  expect(room).toBe(0);
  socket.write(Buffer.concat([request(5, '/mine'), window(5, 1e6)]));
  let granted = 65_535 + size;
  while (granted < 3 * size) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(room).toBeGreaterThanOrEqual(0);
    const more = Math.min(20_000, 3 * size - granted);
    granted += more;
    room += more;
    socket.write(window(0, more));
  }
  await until('the rest', () => room === 0);
  expect([...got].sort()).toEqual([1, 3, 5].map((stream) => [stream, size]));
  socket.destroy();
});

describe('a caller of HTTP/2 that breaks the rules', () => {
  const bad: [string, Buffer[]][] = [
    ['headers that cannot be read', [frame(TYPE.headers, 0x5, 1, Buffer.from([0xff, 0xff]))]],
    ['headers of no stream', [frame(TYPE.headers, 0x5, 0, Buffer.from([0x82]))]],
    ['headers of a stream of the server', [request(2, '/')]],
    ['a push', [frame(TYPE.pushPromise, FLAG.endHeaders, 1, Buffer.alloc(8))]],
    ['too much padding', [frame(TYPE.data, FLAG.padded, 1, Buffer.from([9, 1]))]],
    ['a continuation of nothing', [frame(TYPE.continuation, FLAG.endHeaders, 1, Buffer.alloc(3))]],
    ['a window that is too large', [window(0, 0x7fffffff), window(0, 0x7fffffff)]],
    ['a window that grows by nothing', [window(0, 0)]],
    ['a ping of a wrong length', [frame(TYPE.ping, 0, 0, Buffer.alloc(7))]],
    ['settings of a wrong length', [frame(TYPE.settings, 0, 0, Buffer.alloc(5))]],
    ['a frame that is too long', [frame(TYPE.ping, 0, 0, Buffer.alloc(17_000))]],
    ['headers without an end', [headerFrames(1, Buffer.alloc(200_000, 0x82), true, 16_384)]],
  ];

  it.each(bad)('is answered by the pod while nobody else has answered: %s', async (_name, frames) => {
    const { port } = await between();
    const direct = await talk(portOf(pod), frames);
    expect(await talk(port, frames)).toEqual(direct);
  });

  it.each(bad.filter(([name]) => name !== 'too much padding'))(
    'is told so once somebody else has: %s',
    async (_name, frames) => {
      const { port } = await between();
      const renumbered = frames.map((bytes) => {
        const copy = Buffer.from(bytes);
        if (copy.readUInt32BE(5) === 1) copy.writeUInt32BE(3, 5);
        for (let at = 9 + copy.readUIntBE(0, 3); at < copy.length; at += 9 + copy.readUIntBE(at, 3))
          copy.writeUInt32BE(3, at + 5);
        return copy;
      });
      const said = await talk(port, [request(1, '/mine'), ...renumbered]);
      expect(said.filter((line) => line.startsWith('7/0/'))).toHaveLength(1);
    },
  );

  it('takes requests back again and again', async () => {
    const { port } = await between();
    const resets = Array.from({ length: 1_200 }, (_, n) => [
      request(2 * n + 1, '/mine', false),
      frame(TYPE.reset, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8])),
    ]).flat();
    const said = await talk(port, resets, 3_000);
    expect(said.at(-1)).toMatch(/^7\/0\/[0-9a-f]{8}0000000b$/);
  });

  it('sends what RFC 9113 does not allow in a request: told by a reset of that one', async () => {
    const { port } = await between();
    const odd = [
      [field(':method', 'GET'), field(':path', '/mine'), field('connection', 'close')],
      [field(':method', 'GET'), field(':path', '/mine'), field('Upper', 'x')],
      [field(':method', 'GET'), field(':path', '/mine'), field('x-a', 'b\r\nc: d')],
      [field(':path', '/mine')],
    ];
    const frames = odd.map((fields, n) => headerFrames(2 * n + 1, encodeFields(fields), true, 16_384));
    const said = await talk(port, [...frames, request(9, '/pod')]);
    for (const stream of [1, 3, 5, 7]) expect(said).toContain(`3/${stream}/00000001`);
    expect(said.some((line) => line.startsWith('1/9/'))).toBe(true);
  });

  it('sends headers of a request as trailers: no harm to the agent or to others', async () => {
    const { port } = await between();
    const body = frame(TYPE.data, 0, 1, Buffer.from('body'));
    const trailers = headerFrames(1, encodeFields([field(':path', '/'), field('connection', 'x')]), true, 16_384);
    const said = await talk(port, [request(1, '/mine', false), body, trailers, request(3, '/pod')]);
    expect(said.some((line) => line.startsWith('3/1/'))).toBe(true);
    expect(said.some((line) => line.startsWith('1/3/'))).toBe(true);
  });

  it('says many small headers that stand for very long ones', async () => {
    const { port } = await between();
    const long = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4_000, 0x62)]);
    const first = Buffer.concat([Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x61]), long]);
    const bomb = Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), Buffer.alloc(10_000, 0xbe)]);
    const said = await talk(port, [
      request(1, '/mine'),
      headerFrames(3, first, true, 16_384),
      headerFrames(5, bomb, true, 16_384),
    ]);
    expect(said.some((line) => line.startsWith('1/3/'))).toBe(true);
    expect(said).toContain('3/5/0000000b');
  });

  it('goes on with a stream that is over without hurting the others', async () => {
    const { port } = await between({ developer: await serving((stream) => stream.close(5)) });
    const late = [frame(TYPE.data, 0, 1, Buffer.alloc(100)), window(1, 5), frame(TYPE.reset, 0, 1, Buffer.alloc(4))];
    const socket = connect({ port, host: '127.0.0.1' });
    let got = '';
    socket.on('error', () => {}).on('data', (chunk) => (got += chunk.toString('hex')));
    socket.write(Buffer.concat([PREFACE, SETTINGS, request(1, '/mine', false)]));
    await until('the reset', () => got.includes('000004030000000001'));
    socket.write(Buffer.concat([...late, request(3, '/pod')]));
    // The answer of the pod, its body, and the window for what came in vain.
    await until('the answer', () => got.includes(Buffer.from('pod /pod []').toString('hex')));
    expect(got).toContain('00000408000000000000000064');
    expect(got).not.toContain(goawayFrame(0, 0).toString('hex').slice(0, 12));
    socket.destroy();
  });
});

describe('a pod’s server of HTTP/2 that leaves', () => {
  it('leaves those alone whom others have answered, and tells the others one by one', async () => {
    let leave: () => void = () => {};
    const streams: ServerHttp2Stream[] = [];
    const { port } = await between({
      pod: await serving((stream, path) => {
        streams.push(stream);
        if (path === '/first') leave = () => stream.session!.goaway(0, 1);
      }),
      developer: await serving((stream) => {
        stream.respond({ ':status': 200 });
        stream.write('begun');
        setTimeout(() => stream.end(' and done'), 300);
      }),
    });
    const session = openSession(port);
    const lasts: number[] = [];
    session.on('goaway', (_code, last) => lasts.push(last));
    const first = ask(session, '/first');
    const second = ask(session, '/second');
    const mine = ask(session, '/mine');
    await until('both', () => streams.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    leave();
    expect(await second).toMatchObject({ code: 7 });
    streams[0]!.respond({ ':status': 200 });
    streams[0]!.end('seen');
    expect(await first).toMatchObject({ text: 'seen', code: 0 });
    expect(await mine).toMatchObject({ text: 'begun and done', code: 0 });
    expect(lasts[0]).toBe(5);
    session.destroy();
  });
});
