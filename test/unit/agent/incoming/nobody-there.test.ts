import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer, listening } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();

/** Runs in a peer: one request over HTTP/2, or several at once; gives status and body, or the code of the reset. */
const ask2 = ({ args, require }: any): Promise<string[]> =>
  new Promise((resolve) => {
    const { host, port, paths = ['/'], body, headers = {} } = args;
    const session = require('node:http2').connect(`http://${host}:${port}`);
    const answers: string[] = [];
    session.on('error', (error: any) => resolve([error.code]));
    for (const path of paths) {
      const stream = session.request(
        { ':path': path, ':method': body ? 'POST' : 'GET', ...headers },
        { endStream: !body },
      );
      let status = '';
      let text = '';
      stream.on('response', (answer: any) => (status = answer[':status']));
      stream.on('data', (chunk: Buffer) => (text += chunk));
      stream.on('error', () => {});
      stream.setTimeout(15_000, () => stream.close(8));
      stream.on('close', () => {
        answers.push(stream.rstCode ? `reset ${stream.rstCode}` : `${status} ${text}`);
        if (answers.length === paths.length) resolve(answers.sort());
        if (answers.length === paths.length) session.close();
      });
      if (body) stream.end(body);
    }
  });

describe.skipIf(reason)('a request whose taker is not there', () => {
  let world: IncomingWorld;
  const clients: Client[] = [];
  const to1 = { host: POD_IP, port: 8080 };
  const to2 = { host: POD_IP, port: 8090 };
  const connect = async (name?: string) => {
    const client = await world.connect(name);
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(async ({ require }: any) => {
      const http = require('node:http').createServer((_request: any, response: any) => response.end('pod'));
      const http2 = require('node:http2').createServer();
      http2.on('stream', (stream: any, headers: any) => {
        let body = '';
        stream.on('error', () => {});
        stream.on('data', (chunk: Buffer) => (body += chunk));
        stream.on('end', () => {
          stream.respond({ ':status': 200 });
          stream.end(`pod ${headers[':path']} [${body}]`);
        });
      });
      await new Promise((resolve) => http.listen(8080, resolve));
      await new Promise((resolve) => http2.listen(8090, resolve));
    });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map(({ link }) => link.close()));
    await until('the rules to be gone', () => !world.rules().includes('mirrord'));
  });
  afterAll(() => world?.close());

  it.each([
    ['all of the port', {}],
    ['all of it, probes as well', { keepProbes: false }],
    ['what a filter finds', { filter: { path: '^/' } }],
  ])('over HTTP/2 is told by 502, each by itself, when the client takes %s', async (_name, params) => {
    const client = await connect();
    await client.subscribe({ port: 8090, owner: 'alice', ...params });
    const text =
      '502 mirrord: this request to port 8090 is taken by alice, and was not answered: no process of theirs listens on it now\n';
    expect(await world.caller.run(ask2, { ...to2, paths: ['/a', '/b'] })).toEqual([text, text]);
    expect(await world.caller.run(ask2, { ...to2, body: 'x'.repeat(100_000) })).toEqual([text]);
  });

  it.each([
    ['all of the port', {}],
    ['all of it, probes as well', { keepProbes: false }],
    ['what a filter finds', { filter: { path: '^/' } }],
  ])('goes to the pod where that was asked for: the client takes %s', async (_name, params) => {
    const client = await connect();
    await client.subscribe({ port: 8090, fallback: 'pod', ...params });
    await client.subscribe({ port: 8080, fallback: 'pod', ...params });
    expect(await world.caller.run(ask2, { ...to2, paths: ['/a'] })).toEqual(['200 pod /a []']);
    expect(await world.caller.run(ask2, { ...to2, body: 'hello' })).toEqual(['200 pod / [hello]']);
    expect(await world.caller.run(ask, { ...to1, method: 'POST', body: 'hello' })).toBe('200 pod');
  });

  it.each([
    ['all of the port', {}],
    ['what a filter finds', { filter: { path: '^/' } }],
  ])('is told when the process ends before it has answered: it takes %s', async (_name, params) => {
    const client = await connect();
    let asked = 0;
    deliverTo(
      client,
      await httpServer(() => {
        asked += 1;
      }),
    );
    await client.subscribe({ port: 8080, owner: 'alice', ...params });
    const answer = world.caller.run(ask, to1);
    await until('the request', () => asked > 0);
    await client.link.close();
    expect(await answer).toMatch(/^502 mirrord: .* is taken by alice, .*: their process has ended\n$/);
    const second = await connect();
    const streams: ServerHttp2Stream[] = [];
    const server = createHttp2Server().on('stream', (stream) => streams.push(stream.on('error', () => {})));
    deliverTo(second, await listening(server as never));
    await second.subscribe({ port: 8090, owner: 'bob', ...params });
    const answer2 = world.caller.run(ask2, { ...to2, body: 'hello' });
    await until('the request over HTTP/2', () => streams.length > 0);
    await second.link.close();
    expect(await answer2).toEqual([expect.stringMatching(/^502 .* is taken by bob, .*: their process has ended\n$/)]);
  });

  it('of another session comes when the process that had it listens again', async () => {
    const client = await connect();
    await client.subscribe({ port: 8090, filter: { path: '^/' } });
    const answers = world.caller.run(async ({ args, require }: any) => {
      const session = require('node:http2').connect(`http://${args.host}:${args.port}`);
      const one = () =>
        new Promise<string>((resolve) => {
          const stream = session.request({ ':path': '/' });
          let text = '';
          stream.on('data', (chunk: Buffer) => (text += chunk));
          stream.on('close', () => resolve(text));
        });
      const all = [await one()];
      for (let round = 0; round < 100 && !all.at(-1)!.startsWith('back'); round++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        all.push(await one());
      }
      session.close();
      return all;
    }, to2);
    await until('the first request', () => client.seen.length > 0);
    const server = createHttp2Server().on('stream', (stream) => {
      stream.respond({ ':status': 200 });
      stream.end('back');
    });
    deliverTo(client, await listening(server as never));
    const [first, ...later] = await answers;
    expect(first).toContain('was not answered');
    expect(later.at(-1)).toBe('back');
  });

  it('that is a health check over HTTP/2 stays with the pod unless asked for', async () => {
    const client = await connect();
    const server = createHttp2Server().on('stream', (stream) => {
      stream.respond({ ':status': 200 });
      stream.end('developer');
    });
    deliverTo(client, await listening(server as never));
    const subscription = await client.subscribe({ port: 8090 });
    const probe = { ...to2, headers: { 'user-agent': 'kube-probe/1.32 grpc-go/1.65.0' } };
    expect(await world.caller.run(ask2, probe)).toEqual(['200 pod / []']);
    expect(await world.caller.run(ask2, to2)).toEqual(['200 developer']);
    await client.unsubscribe(subscription);
    await client.subscribe({ port: 8090, keepProbes: false });
    expect(await world.caller.run(ask2, probe)).toEqual(['200 developer']);
  });

  it.each([
    ['all requests, beside somebody’s filter', undefined],
    ['those that fit', { path: '^/copy' }],
  ])('is copied over HTTP/2 with its body: a mirror of %s', async (_name, filter) => {
    const [ann, bob] = [await connect('ann.js'), await connect('bob.js')];
    await bob.subscribe({ port: 8090, filter: { path: '^/bob' } });
    const heard: string[] = [];
    const server = createHttp2Server().on('stream', (stream, headers) => {
      let body = '';
      stream.on('error', () => {});
      stream.on('data', (chunk) => (body += chunk));
      stream.on('end', () => heard.push(`${headers[':path']} [${body}]`));
    });
    deliverTo(ann, await listening(server as never));
    await ann.subscribe({ port: 8090, mode: 'mirror', ...(filter && { filter }) });
    expect(await world.caller.run(ask2, { ...to2, paths: ['/copy'], body: 'hello' })).toEqual([
      '200 pod /copy [hello]',
    ]);
    await until('the copy', () => heard.length > 0);
    expect(heard).toEqual(['/copy [hello]']);
  });

  it('looks at bodies over HTTP/2', async () => {
    const client = await connect();
    const server = createHttp2Server().on('stream', (stream) => {
      let body = '';
      stream.on('data', (chunk) => (body += chunk));
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end(`developer [${body}]`);
      });
    });
    deliverTo(client, await listening(server as never));
    await client.subscribe({ port: 8090, filter: { body: { query: '$.user', matches: '^tom$' } } });
    const tom = JSON.stringify({ user: 'tom' });
    const say = (body: string) => world.caller.run(ask2, { ...to2, body });
    expect(await say(tom)).toEqual([`200 developer [${tom}]`]);
    expect(await say('{"user":"ann"}')).toEqual(['200 pod / [{"user":"ann"}]']);
    const long = `{"user":"tom","fill":"${'x'.repeat(70_000)}"}`;
    expect(await say(long)).toEqual([`200 pod / [${long}]`]);
    expect(await world.caller.run(ask2, to2)).toEqual(['200 pod / []']);
  });
});
