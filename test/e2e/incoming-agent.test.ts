import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config';
import { retryWhileStarting, startAgent } from '../../src/kube/start-agent';
import type { AgentHandle } from '../../src/kube/types';
import type { IncomingSubscription } from '../../src/protocol/contract';
import { spliceSocket } from '../../src/protocol/splice';
import { connectTunnel, type Tunnel } from '../../src/tunnel/tunnel';
import { apply, eventually, podsOf, runInPod, service, settings } from '../support/cluster';
import { root } from '../support/spawn-app';
import { createWorld, type World } from './world';

/** Scripted clients of a real agent: what reaches the developer's machine when others in the cluster call the pod. */
describe('traffic of a pod behind a Service', () => {
  let world: World;
  let handle: AgentHandle;
  let link: Tunnel;
  let helper: string;
  const callers: string[] = [];

  beforeAll(async () => {
    world = await createWorld('incoming');
    await apply(service(world.namespace, 'target', [8090, 8091]));
    helper = (await podsOf(world.namespace, 'helper'))[0]!.metadata!.name!;
    const { config } = loadConfig(
      {},
      { ...process.env, ...world.env, MIRRORD_KUBECONFIG: settings.kubeconfig } as NodeJS.ProcessEnv,
      root,
    );
    handle = await startAgent(config, () => {});
    link = await retryWhileStarting(handle, () =>
      connectTunnel({ dial: handle.dial, token: handle.handoff.token, clientName: 'e2e' }),
    );
    const developer = createServer((request, response) => response.end(`developer ${request.url}`));
    await new Promise<void>((resolve) => developer.listen(0, '127.0.0.1', resolve));
    const { port } = developer.address() as { port: number };
    link.onOpen((request) => {
      callers.push(request.metadata.peerAddress.address);
      spliceSocket(request.accept({}), connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
    });
  }, 120_000);
  afterAll(async () => {
    await link?.close();
    await handle?.abandon();
    await world?.drop();
  });

  const subscribe = async (more: Partial<IncomingSubscription> = {}) => {
    const params = { port: 8090, mode: 'steal', onConcurrentSteal: 'abort', keepProbes: true, owner: 'e2e' } as const;
    return (await link.call('incoming.subscribe', { ...params, ...more })).result.subscription;
  };
  const FETCH = `fetch(process.argv[1], { headers: { 'x-user': process.argv[2] ?? '' } }).then(async (response) =>
    console.log(response.status, await response.text()), (error) => console.log(error.cause?.code))`;
  const ask = (pod: string, url: string, user = '') => runInPod(world.namespace, pod, ['node', '-e', FETCH, url, user]);

  it('is stolen from callers in other pods, in the pod itself, and given back', async () => {
    const url = 'http://target:8090/a';
    expect(await ask(helper, url)).toContain('"method":"GET"');
    const subscription = await subscribe();
    expect(await ask(helper, url)).toBe('200 developer /a\n');
    expect(callers.at(-1)).toBe(world.helperIP);
    expect(await ask(world.pod, `http://${world.podIP}:8090/own`)).toBe('200 developer /own\n');
    expect(await ask(world.pod, 'http://127.0.0.1:8090/loop')).toBe('200 developer /loop\n');
    await link.call('incoming.unsubscribe', { subscription });
    expect(await ask(helper, url)).toContain('"method":"GET"');
  });

  it('is divided by a filter', async () => {
    const subscription = await subscribe({ filter: { header: '^x-user: tom$' } });
    const url = 'http://target:8090/b';
    expect(await ask(helper, url, 'tom')).toBe('200 developer /b\n');
    expect(await ask(helper, url, 'ann')).toContain('"method":"GET"');
    expect(await ask(world.pod, 'http://127.0.0.1:8090/c', 'ann')).toContain('"method":"GET"');
    await link.call('incoming.unsubscribe', { subscription });
  });

  it('is copied, and the pod answers', async () => {
    const subscription = await subscribe({ mode: 'mirror' });
    const before = callers.length;
    expect(await ask(helper, 'http://target:8090/d')).toContain('"method":"GET"');
    await eventually('the copy', async () => callers.length > before);
    await link.call('incoming.unsubscribe', { subscription });
  });

  it('stays with the pod once the session has ended', async () => {
    await subscribe();
    expect(await ask(helper, 'http://target:8090/e')).toBe('200 developer /e\n');
    await link.close();
    await eventually('the pod to answer', async () =>
      (await ask(helper, 'http://target:8090/e')).includes('"method":"GET"'),
    );
  });
});
