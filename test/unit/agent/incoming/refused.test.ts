import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();

describe.skipIf(reason)('a subscription', () => {
  let world: IncomingWorld;
  const clients: Client[] = [];
  const to = { host: POD_IP, port: 8080 };
  const developer = async (name: string) => {
    const client = await world.connect(`${name}.js`);
    clients.push(client);
    deliverTo(client, await httpServer((request, response) => response.end(`${name} ${request.url}`)));
    return client;
  };

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(async ({ require }: any) => {
      const server = require('node:http').createServer((_request: any, response: any) => response.end('pod'));
      await new Promise((resolve) => server.listen(8080, resolve));
      await new Promise((resolve) => require('node:net').createServer().listen(8099, '127.0.0.1', resolve));
    });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map(({ link }) => link.close()));
    await until('the rules to be gone', () => !world.rules().includes('mirrord'));
  });
  afterAll(() => world?.close());

  it('of a port that has to be there is refused with what the pod listens on', async () => {
    const ann = await developer('ann');
    // Its own listeners, which a port that is taken has, are nobody's.
    await ann.subscribe({ port: 8080, mustListen: true });
    await expect(ann.subscribe({ port: 8081, mustListen: true })).rejects.toMatchObject({
      code: 'PORT_UNKNOWN',
      message: 'nothing in the pod listens on port 8081; it listens on 5555, 8080, 8099',
    });
    expect(world.rules()).not.toContain('8081');
    await ann.subscribe({ port: 8099, mustListen: true });
    await ann.subscribe({ port: 8081 });
    await expect(ann.subscribe({ port: 8082, mustListen: 'yes' as never })).rejects.toMatchObject({
      code: 'BAD_PARAMETERS',
    });
  });

  it('beside somebody else’s: refused, beside it, or in its place', async () => {
    const [ann, bob] = [await developer('ann'), await developer('bob')];
    await ann.subscribe({ port: 8080, owner: 'ann on laptop, process 1' });
    const began = new Date().toISOString().slice(0, 16);
    await expect(bob.subscribe({ port: 8080, owner: 'bob' })).rejects.toMatchObject({
      code: 'PORT_STOLEN',
      message: expect.stringMatching(
        new RegExp(`^port 8080 is stolen by ann on laptop, process 1 \\(ann\\.js\\) since ${began.slice(0, 13)}.*Z$`),
      ),
    });
    expect(await world.caller.run(ask, { ...to, path: '/1' })).toBe('200 ann /1');
    // Beside it: the latest one is asked, and nobody was told to go.
    const beside = await bob.subscribe({ port: 8080, owner: 'bob', onConcurrentSteal: 'continue' });
    expect(await world.caller.run(ask, { ...to, path: '/2' })).toBe('200 bob /2');
    expect(ann.ended).toEqual([]);
    await bob.unsubscribe(beside);
    expect(await world.caller.run(ask, { ...to, path: '/3' })).toBe('200 ann /3');
    // A filter beside one who takes all: what fits is its, the rest is the other's.
    await bob.subscribe({ port: 8080, owner: 'bob', onConcurrentSteal: 'continue', filter: { path: '^/bob' } });
    expect(await world.caller.run(ask, { ...to, path: '/bob' })).toBe('200 bob /bob');
    expect(await world.caller.run(ask, { ...to, path: '/4' })).toBe('200 ann /4');
    const { result } = await bob.link.call('incoming.subscribe', {
      port: 8080,
      mode: 'steal',
      keepProbes: true,
      owner: 'bob',
      onConcurrentSteal: 'override',
    });
    expect(result.replaced).toEqual([expect.stringContaining('ann on laptop, process 1 (ann.js) since ')]);
    await until('the news', () => ann.ended[0]);
    expect(ann.ended[0]!.reason).toMatch(/^bob \(bob\.js\) since .* took port 8080 over$/);
    expect(await world.caller.run(ask, { ...to, path: '/5' })).toBe('200 bob /5');
  });

  it('of any number of mirrors stands beside one who steals', async () => {
    const [ann, bob, eve] = [await developer('ann'), await developer('bob'), await developer('eve')];
    await ann.subscribe({ port: 8080 });
    await bob.subscribe({ port: 8080, mode: 'mirror' });
    await eve.subscribe({ port: 8080, mode: 'mirror' });
    expect(await world.caller.run(ask, { ...to, path: '/all' })).toBe('200 ann /all');
    await until('both copies', () => bob.seen.length === 1 && eve.seen.length === 1);
  });
});
