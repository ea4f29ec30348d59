import { createServer as createHttp2Server } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { deliverTo, httpServer, listening, tcpServer } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();

/** Writes bytes, part by part, and gives all that came back until the other end closed or `until` was seen. */
const exchange = ({ args, require }: any): Promise<string> =>
  new Promise((resolve) => {
    const socket = require('node:net').connect({ host: args.host, port: args.port, allowHalfOpen: true });
    let got = '';
    const parts = [...args.parts];
    const next = () => parts.length > 0 && socket.write(parts.shift(), 'latin1');
    socket.on('connect', next).on('error', (error: any) => resolve(`${got}!${error.code}`));
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
      if (args.until && got.includes(args.until)) {
        socket.destroy();
        resolve(got);
      } else if (args.step && got.includes(args.step)) {
        args.step = undefined;
        next();
      }
    });
    socket.on('end', () => {
      socket.end();
      resolve(got);
    });
    setTimeout(() => resolve(`${got}!timeout`), 8_000);
  });

describe.skipIf(reason)('a port that is stolen with a filter', () => {
  let world: IncomingWorld;
  let clients: Client[] = [];
  const to = { host: POD_IP, port: 8080 };
  const talk = (parts: string[], more: object = {}) => world.caller.run(exchange, { ...to, parts, ...more } as any);
  const connect = async (name?: string) => {
    const client = await world.connect(name);
    clients.push(client);
    return client;
  };
  const developer = async () => {
    const client = await connect();
    const server = await httpServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => response.end(`developer ${request.method} ${request.url} [${body}]`));
    });
    deliverTo(client, server);
    return { client, server };
  };

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(async ({ require }: any) => {
      const net = require('node:net');
      // Says back byte for byte what it got as one request, in an answer of its own making.
      const raw = net.createServer({ allowHalfOpen: true }, (socket: any) => {
        let got = '';
        socket.on('error', () => {});
        socket.on('end', () => socket.end());
        socket.on('data', (chunk: Buffer) => {
          got += chunk.toString('latin1');
          if (/^POST/.test(got) && !got.includes('\r\n0\r\n') && /chunked/i.test(got)) return;
          const answer = got;
          got = '';
          if (answer.startsWith('GET /early')) {
            socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
          }
          const body = answer.startsWith('HEAD') ? '' : answer;
          socket.write(
            `HTTP/1.1 200 OK\r\nX-Served-BY: pod\r\nContent-Length: ${answer.length}\r\n\r\n${body}`,
            'latin1',
          );
        });
      });
      const greeting = net.createServer((socket: any) => {
        socket.on('error', () => {});
        socket.end('220 hello\r\n');
      });
      const http2 = require('node:http2');
      const h2 = http2.createServer();
      h2.on('stream', (stream: any, headers: any) => {
        stream.on('error', () => {});
        let body = '';
        stream.on('data', (chunk: Buffer) => (body += chunk));
        stream.on('end', () => {
          if (headers[':path'] === '/reset') return stream.close(5);
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '7', 'x-from': 'pod' }));
          stream.end(`pod ${headers[':path']} [${body}] ${headers['x-keep'] ?? ''}`);
        });
      });
      await new Promise((resolve) => raw.listen(8080, resolve));
      await new Promise((resolve) => greeting.listen(8025, resolve));
      await new Promise((resolve) => h2.listen(8090, resolve));
    });
  });
  afterEach(async () => {
    for (const client of clients) await client.link.close();
    clients = [];
    await until('the rules to be gone', () => !world.rules().includes('mirrord'));
  });
  afterAll(() => world?.close());

  it('decides for each request of a connection, and passes what stays with the pod byte for byte', async () => {
    const { client } = await developer();
    await client.subscribe({ port: 8080, filter: { header: '^x-user: tom$' } });
    const pod = 'GET /pod HTTP/1.1\r\nHOST: a\r\nx-Odd-CASE:  two  spaces \r\n\r\n';
    const mine = 'GET /mine HTTP/1.1\r\nHost: a\r\nX-User: Tom\r\n\r\n';
    const got = await talk([pod + mine + pod.replace('/pod', '/last')], { until: '/last' });
    expect(got.match(/pod|developer/g)?.join(' ')).toContain('pod');
    const [first = '', second = '', third = ''] = got.split(/(?=HTTP\/1\.1 200)/);
    expect(first).toContain(pod);
    expect(second).toContain('developer GET /mine []');
    expect(third).toContain('GET /last HTTP/1.1\r\nHOST: a\r\nx-Odd-CASE:  two  spaces \r\n\r\n');
    expect(client.seen).toHaveLength(1);
    expect(client.seen[0]).toMatchObject({ http: 'http1', mode: 'steal' });
  });

  it('keeps chunks, trailers, interim answers, HEAD and Expect as they are', async () => {
    const { client } = await developer();
    await client.subscribe({ port: 8080, filter: { path: '^/mine' } });
    const chunked =
      'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n';
    expect(await talk([chunked], { until: 'X-T: 1\r\n\r\n' })).toContain(chunked);
    expect(await talk(['GET /early HTTP/1.1\r\nHost: a\r\n\r\n'], { until: 'Host: a' })).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\nX-Served-BY: pod/,
    );
    const head = 'HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n';
    expect(await talk([head + 'GET /after HTTP/1.1\r\nHost: a\r\n\r\n'], { until: '/after' })).toContain(
      `Content-Length: ${head.length}\r\n\r\nHTTP/1.1 200 OK`,
    );
    const expecting = 'POST /mine HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    const got = await talk([expecting, 'abc'], { step: '100 Continue', until: '[abc]' });
    expect(got).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  });

  it('looks at path, method, bodies and combinations', async () => {
    const { client } = await developer();
    const body = { query: '$.user.name', matches: '^tom$' };
    const filter = { anyOf: [{ method: 'delete' }, { allOf: [{ path: '^/api/' }, { body }] }] };
    await client.subscribe({ port: 8080, filter });
    const post = (path: string, text: string, method = 'POST') =>
      talk(
        [`${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`],
        {
          until: text === '' ? 'Host' : text,
        },
      );
    const tom = JSON.stringify({ user: { name: 'Tom' } });
    expect(await post('/api/x', tom)).toContain(`developer POST /api/x [${tom}]`);
    expect(await post('/api/x', JSON.stringify({ user: { name: 'ann' } }))).toContain('X-Served-BY: pod');
    expect(await post('/other', tom)).toContain('X-Served-BY: pod');
    expect(await post('/api/x', tom, 'DELETE')).toContain('developer DELETE');
    expect(await post('/api/x', `{"user":{"name":"tom"},"fill":"${'x'.repeat(70_000)}"}`)).toContain(
      'X-Served-BY: pod',
    );
  });

  it('hands an upgrade wholly to the side that won', async () => {
    const client = await connect();
    const server = await tcpServer((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
        socket.on('data', (chunk) => socket.write(`<${chunk}>`));
        socket.on('end', () => socket.end());
      });
    });
    deliverTo(client, server);
    await client.subscribe({ port: 8080, filter: { path: '^/ws' } });
    const request = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
    const got = await talk([request, 'GET /pod HTTP/1.1\r\n\r\n'], { step: 'Upgrade\r\n\r\n', until: '>' });
    expect(got).toMatch(/<GET \/pod HTTP\/1\.1\r\n\r\n>$/);
  });

  it('passes what is no HTTP, or malformed, to the pod untouched', async () => {
    const { client } = await developer();
    await client.subscribe({ port: 8080, filter: { path: '.' } });
    const odd = ['\x16\x03\x01\x02\x00\x01', 'PING\r\n', 'GET\r\n\r\n', 'GET / HTTP/1.1\r\nbad header\r\n\r\n'];
    odd.push('POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 'GET / HTTP/1.1\r\nA: b\n\r\n\r\n');
    for (const bytes of odd) {
      const got = await talk([bytes], { until: bytes });
      expect(got.endsWith(bytes)).toBe(true);
    }
    expect(client.seen).toEqual([]);
  });

  it('a server that speaks first is held up for a short time only; a client that is slow is still filtered', async () => {
    const { client } = await developer();
    await client.subscribe({ port: 8025, filter: { path: '.' } });
    await client.subscribe({ port: 8080, filter: { path: '^/slow' } });
    expect(await talk([], { port: 8025 })).toBe('220 hello\r\n');
    const slow = await world.caller.run(
      ({ args, require }: any) =>
        new Promise<string>((resolve) => {
          const socket = require('node:net').connect(args);
          socket.on('data', (chunk: Buffer) => {
            socket.destroy();
            resolve(String(chunk));
          });
          setTimeout(() => socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'), 600);
        }),
      to,
    );
    expect(slow).toContain('200 OK');
    expect(client.seen).toHaveLength(1);
  });

  it('tells who is in the way of two on one port, and lets filters stand side by side', async () => {
    const { client: ann } = await developer();
    const bob = await connect('bob.js');
    await ann.subscribe({ port: 8080, owner: 'ann', filter: { path: '^/ann' } });
    const second = await bob.subscribe({ port: 8080, owner: 'bob', filter: { path: '^/bob' } });
    const whole = bob.subscribe({ port: 8080, owner: 'bob' });
    await expect(whole).rejects.toMatchObject({
      code: 'PORT_STOLEN',
      message: expect.stringMatching(/^port 8080 is stolen by ann \(test\) since 20.* with a filter$/),
    });
    expect(await talk(['GET /ann HTTP/1.1\r\nHost: a\r\n\r\n'], { until: '[]' })).toContain('developer');
    expect(await talk(['GET /bob HTTP/1.1\r\nHost: a\r\n\r\n'], { until: 'mirrord' })).toMatch(/^HTTP\/1\.1 502/);
    await bob.unsubscribe(second);
    await bob.subscribe({ port: 8080, owner: 'bob', onConcurrentSteal: 'override' });
    await until('the event', () => ann.ended[0]);
    expect(ann.ended[0]!.reason).toContain('bob (bob.js)');
    await expect(ann.subscribe({ port: 8080, filter: { header: '(' } })).rejects.toMatchObject({
      code: 'BAD_PARAMETERS',
      message: expect.stringContaining('filter.header is not a regular expression'),
    });
  });

  it('copies to a mirror what fits, and the pod answers', async () => {
    const client = await connect();
    const requests: string[] = [];
    deliverTo(
      client,
      await httpServer((request, response) => {
        requests.push(request.url!);
        response.end('nobody reads this');
      }),
    );
    await client.subscribe({ port: 8080, mode: 'mirror', filter: { path: '^/copy' } });
    const all = ['/copy1', '/not', '/copy2'].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    expect(await talk([all], { until: '/copy2' })).not.toContain('nobody');
    await until('both copies', () => requests.length === 2);
    expect(requests).toEqual(['/copy1', '/copy2']);
    await client.subscribe({ port: 8080, mode: 'mirror' });
    await talk(['GET /copy3 HTTP/1.1\r\nHost: a\r\n\r\n'], { until: '/copy3' });
    await until('three more', () => requests.length === 4);
  });

  it('decides for each request of HTTP/2, with trailers and resets', async () => {
    const client = await connect();
    const server = createHttp2Server();
    server.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(`developer ${headers[':path']}`);
    });
    deliverTo(client, await listening(server as never));
    await client.subscribe({ port: 8090, filter: { path: '^/mine' } });
    const answers = await world.caller.run(async ({ args, require }: any) => {
      const session = require('node:http2').connect(`http://${args.host}:8090`);
      session.on('error', () => {});
      const ask = (path: string, body?: string) =>
        new Promise<string>((resolve) => {
          const stream = session.request({ ':path': path, ':method': body ? 'POST' : 'GET', 'x-keep': 'kept' });
          let text = '';
          let status = '';
          stream.on('trailers', (trailers: any) => (status = trailers['grpc-status']));
          stream.on('data', (chunk: Buffer) => (text += chunk));
          stream.on('error', () => {});
          stream.on('close', () => resolve(`${text} trailer ${status} code ${stream.rstCode}`));
          stream.end(body);
        });
      const all = await Promise.all([ask('/pod'), ask('/mine'), ask('/pod', 'x'.repeat(100)), ask('/reset')]);
      session.destroy();
      return all;
    }, to);
    expect(answers).toEqual([
      'pod /pod [] kept trailer 7 code 0',
      'developer /mine trailer 0 code 0',
      `pod /pod [${'x'.repeat(100)}] kept trailer 7 code 0`,
      ' trailer  code 5',
    ]);
  });
});
