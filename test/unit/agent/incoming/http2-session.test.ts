import { createServer as createHttp2Server } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { deliverTo, listening } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();

/** Runs in a peer: requests by `:path` in turn on one session; gives all that it said, in order. */
const converse = ({ args, require }: any): Promise<string[]> =>
  new Promise((resolve) => {
    const session = require('node:http2').connect(`http://${args.host}:${args.port}`);
    const said: string[] = [];
    session.on('error', (error: any) => said.push(`error ${error.code}`));
    session.on('goaway', (code: number, last: number, data?: Buffer) =>
      said.push(`goaway ${code} ${last} ${data ?? ''}`),
    );
    session.on('stream', (pushed: any, headers: any) => {
      let text = '';
      pushed.on('data', (chunk: Buffer) => (text += chunk));
      pushed.on('close', () => said.push(`pushed ${headers[':path']} ${text}`));
    });
    session.on('close', () => {
      said.push('closed');
      resolve(said);
    });
    const ask = (path: string) =>
      new Promise<void>((done) => {
        const stream = session.request({ ':path': path });
        let text = '';
        stream.on('data', (chunk: Buffer) => (text += chunk));
        stream.on('error', () => {});
        stream.on('close', () => {
          said.push(`${path} ${text || stream.rstCode}`);
          done();
        });
      });
    (async () => {
      for (const paths of args.paths) await Promise.all(paths.map(ask));
    })();
    setTimeout(() => {
      said.push('time-out');
      session.destroy();
    }, 10_000);
  });

/** Runs in a peer: a tunnel for another protocol within HTTP/2; gives what the server allows, and what came through. */
const tunnel = ({ args, require }: any): Promise<Record<string, unknown>> =>
  new Promise((resolve) => {
    const session = require('node:http2').connect(`http://${args.host}:${args.port}`);
    session.on('error', (error: any) => resolve({ error: error.code }));
    session.once('remoteSettings', ({ enableConnectProtocol: allowed }: any) => {
      if (!allowed) {
        session.destroy();
        return resolve({ allowed });
      }
      const stream = session.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': args.path,
        ':authority': 'shop',
        'sec-websocket-version': '13',
      });
      let status = 0;
      let text = '';
      stream.on('response', (headers: any) => {
        status = headers[':status'];
        stream.write('one');
      });
      stream.on('data', (chunk: Buffer) => {
        text += chunk;
        if (text.endsWith('<one>')) stream.end('two');
      });
      stream.on('error', () => {});
      stream.on('close', () => {
        session.destroy();
        resolve({ allowed, status, text, code: stream.rstCode });
      });
    });
    setTimeout(() => resolve({ error: 'time-out' }), 10_000);
  });

/** A server that answers tunnels of its path, and pushes; the same in the pod and at the developer's. */
const serve = ({ args, require }: any) => {
  const server = require('node:http2').createServer({ settings: { enableConnectProtocol: args.allowed } });
  server.on('stream', (stream: any, headers: any) => {
    const path = headers[':path'];
    stream.on('error', () => {});
    if (headers[':method'] === 'CONNECT') {
      stream.respond({ ':status': 200 });
      stream.write(`${args.name} ${headers[':protocol']} ${path} ${headers[':authority']}`);
      stream.on('data', (chunk: Buffer) => stream.write(`<${chunk}>`));
      stream.on('end', () => stream.end('end'));
    } else if (path.startsWith('/echo')) {
      let body = '';
      let trailers: any = {};
      stream.on('trailers', (given: any) => (trailers = given));
      stream.on('data', (chunk: Buffer) => (body += chunk));
      stream.on('wantTrailers', () =>
        setTimeout(() => stream.sendTrailers({ 'x-back': trailers['x-index'] }), path.endsWith('late') ? 30 : 0),
      );
      // Trailers may be told of behind the end.
      stream.on('end', () =>
        setImmediate(() => {
          stream.respond({ ':status': 200 }, { waitForTrailers: true });
          stream.end(body === '' ? undefined : body);
        }),
      );
    } else if (path === '/pushes') {
      if (!stream.pushAllowed) return stream.close(8);
      stream.pushStream({ ':path': '/pushed' }, (_error: unknown, pushed: any) => {
        pushed.on('error', () => {});
        pushed.respond({ ':status': 200 });
        pushed.end(`${args.name} pushes`);
        stream.respond({ ':status': 200 });
        stream.end('asked for');
      });
    } else if (path === '/leaves') {
      stream.respond({ ':status': 200 });
      stream.session.goaway(0, stream.id, Buffer.from('bye'));
      setTimeout(() => stream.end(`${args.name} leaves`), 300);
      stream.on('close', () => stream.session?.close());
    } else if (path === '/fails') {
      stream.session.goaway(11, 1, Buffer.from('calm down'));
      setTimeout(() => stream.session?.destroy(), 100);
    } else if (path !== '/silent') {
      stream.respond({ ':status': 200 });
      stream.end(args.name);
    }
  });
  return new Promise<void>((resolve) => server.listen(args.port, () => resolve()));
};

describe.skipIf(reason)('a session of HTTP/2 whose requests are looked at', () => {
  let world: IncomingWorld;
  let client: Client;
  const to = { host: POD_IP, port: 8090 };
  const talk = (paths: string[][]) => world.caller.run(converse, { ...to, paths } as any);

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(serve, { port: 8090, name: 'pod', allowed: true });
    await world.pod.run(serve, { port: 8091, name: 'pod', allowed: false });
    client = await world.connect();
    const developer = createHttp2Server({ settings: { enableConnectProtocol: true } });
    developer.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      stream.respond({ ':status': 200 });
      if (headers[':method'] !== 'CONNECT') {
        if (headers[':path'] === '/mine/leaves') stream.session?.close();
        return void stream.end('developer');
      }
      stream.write(`developer ${headers[':protocol']} ${headers[':path']} ${headers[':authority']}`);
      stream.on('data', (chunk) => stream.write(`<${chunk}>`));
      stream.on('end', () => stream.end('end'));
    });
    deliverTo(client, await listening(developer as never));
    for (const port of [8090, 8091]) await client.subscribe({ port, filter: { path: '^/mine' } });
  });
  afterEach(() => {
    client.seen.length = 0;
  });
  afterAll(async () => {
    await client?.link.close();
    if (world) await until('the rules to be gone', () => !world.rules().includes('mirrord'));
    world?.close();
  });

  it('is told that the pod’s server leaves, with the last stream, and ends behind what is under way', async () => {
    const said = await talk([['/pod'], ['/mine'], ['/leaves']]);
    // Both ends of Node answer a farewell with one of their own, which says the same without the text.
    expect(said.filter((line) => line !== 'goaway 0 5 ')).toEqual([
      '/pod pod',
      '/mine developer',
      'goaway 0 5 bye',
      '/leaves pod leaves',
      'closed',
    ]);
    expect(client.seen).toHaveLength(1);
  });

  it('is told the code with which the pod’s server gives up', async () => {
    const said = await talk([['/pod'], ['/silent', '/fails']]);
    expect(said[0]).toBe('/pod pod');
    expect(said.find((line) => line.startsWith('goaway'))).toMatch(/^goaway 11 \d calm down$/);
    expect(said.at(-1)).toBe('closed');
  });

  it('goes on when a developer’s server leaves', async () => {
    const said = await talk([['/mine/leaves'], ['/pod'], ['/mine'], ['/leaves']]);
    expect(said.slice(0, 3)).toEqual(['/mine/leaves developer', '/pod pod', '/mine developer']);
    expect(said[3]).toBe('goaway 0 7 bye');
    expect(client.seen).toHaveLength(2);
  });

  it.each([
    ['/pod', 'pod'],
    ['/mine', 'developer'],
  ])('carries tunnels of other protocols where the pod’s server allows them: %s', async (path, name) => {
    expect(await world.caller.run(tunnel, { ...to, path })).toEqual({
      allowed: true,
      status: 200,
      text: `${name} websocket ${path} shop<one><two>end`,
      code: 0,
    });
  });

  it('allows none where the pod’s server does not', async () => {
    expect(await world.caller.run(tunnel, { ...to, port: 8091, path: '/pod' })).toEqual({ allowed: false });
  });

  it('keeps all trailers, with a body and without, at once and late', async () => {
    const ways = ['none', 'body', 'late', 'body-late'];
    const answers: string[] = await world.caller.run(
      async ({ args, require }: any) => {
        const session = require('node:http2').connect(`http://${args.host}:${args.port}`);
        const ask = (way: string, index: number) =>
          new Promise<string>((resolve) => {
            const stream = session.request(
              { ':path': `/echo/${way}`, ':method': 'POST' },
              { endStream: false, waitForTrailers: true },
            );
            let text = '';
            let trailers: any = {};
            stream.on('wantTrailers', () =>
              setTimeout(() => stream.sendTrailers({ 'x-index': `${index}` }), way.endsWith('late') ? 30 : 0),
            );
            stream.on('trailers', (given: any) => (trailers = given));
            stream.on('data', (chunk: Buffer) => (text += chunk));
            stream.on('error', () => {});
            stream.on('close', () => resolve(`${way} ${text} ${trailers['x-back']} ${stream.rstCode}`));
            stream.end(way.startsWith('body') ? 'hello' : undefined);
          });
        const all = args.ways.flatMap((way: string) => Array.from({ length: 60 }, (_, index) => ask(way, index)));
        const answers = await Promise.all(all);
        session.destroy();
        return answers;
      },
      { ...to, ways } as any,
    );
    const body = (way: string) => (way.startsWith('body') ? 'hello' : '');
    expect(answers).toEqual(
      ways.flatMap((way) => Array.from({ length: 60 }, (_, index) => `${way} ${body(way)} ${index} 0`)),
    );
  });

  it('gets what the pod’s server pushes, beside what others answer', async () => {
    const said = await talk([['/mine'], ['/pushes'], ['/mine', '/pushes'], ['/leaves']]);
    expect(said.filter((line) => line === 'pushed /pushed pod pushes')).toHaveLength(2);
    expect(said.filter((line) => line === '/pushes asked for')).toHaveLength(2);
    expect(said.filter((line) => line === '/mine developer')).toHaveLength(2);
    expect(said.at(-1)).toBe('closed');
  });
});
