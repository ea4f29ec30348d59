import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config';
import { retryWhileStarting, startAgent } from '../../src/kube/start-agent';
import { connectTunnel } from '../../src/tunnel/tunnel';
import { apply, createNamespace, eventually, runInPod, settings } from '../support/cluster';
import { clusterEnv, preload, root } from '../support/spawn-app';
import { killAgent } from './agents';
import { type Addresses, codeMap, startPod, whyNoDualStack } from './dual-stack';
import { createPlace, type Place, type Running, startRunning } from './running';
import { fixturePath } from './world';

const reason = await whyNoDualStack();
if (reason) console.warn(`skipped: incoming traffic over IPv6 (${reason})`);

const LIMIT = { timeout: 60_000 };
const [EVERYWHERE, OWN, LOOPBACK, FOUR, SIX_ONLY] = [18_520, 18_521, 18_522, 18_523, 18_524];
const pod = {
  [EVERYWHERE]: {},
  [OWN]: { host: 'own' },
  [LOOPBACK]: { host: '::1' },
  [FOUR]: { host: '0.0.0.0' },
  [SIX_ONLY]: { host: '::', ipv6Only: true },
};
/** The same program; this machine has no address of the pod. */
const developer = { ...pod, [OWN]: { host: '::' } };

interface Peer {
  name: string;
  addresses: Addresses;
}
let namespace: string;
let drop: () => Promise<void>;
let target: Peer;
let caller: Peer;
let place: Place;
let app: Running | undefined;

beforeAll(async () => {
  if (reason) return;
  ({ name: namespace, drop } = await createNamespace('ipv6-in'));
  await apply(codeMap(namespace, 'ipv6-answers.cjs', 'ipv6-calls.cjs'));
  const command = ['node', '/app/ipv6-answers.cjs', 'pod', JSON.stringify(pod)];
  // To look at the rules.
  const securityContext = { capabilities: { add: ['NET_ADMIN'] } };
  [target, caller] = await Promise.all([
    startPod(namespace, 'target', command, { port: EVERYWHERE, securityContext }),
    startPod(namespace, 'caller', ['node', '-e', 'setInterval(() => {}, 1e6)']),
  ]);
}, 120_000);
afterEach(async () => {
  app?.child.kill('SIGTERM');
  await app?.exited;
  app = undefined;
  place?.remove();
  if (!reason) await eventually('the rules to be gone', noRules, 20_000);
});
afterAll(() => drop?.());

type Call = [host: string, port: number, user?: string];
const call = async (from: Peer, calls: Call[]): Promise<any[]> =>
  JSON.parse(await runInPod(namespace, from.name, ['node', '/app/ipv6-calls.cjs', JSON.stringify(calls)]));
const inTarget = (script: string) => runInPod(namespace, target.name, ['sh', '-c', script]);
/** Of nftables, and of iptables in either variant, in lower case. */
const rules = async () =>
  (
    await inTarget('nft list ruleset; iptables-save; ip6tables-save; iptables-legacy-save; ip6tables-legacy-save; true')
  ).toLowerCase();

const noRules = async () => !(await rules()).includes('mirrord');

/** Every way to every server, from another pod and from inside. */
const everyCall = (from: Peer): Call[] => {
  const hosts = [target.addresses[1], target.addresses[0], ...(from === target ? ['::1', '127.0.0.1'] : [])];
  return hosts.flatMap((host) => Object.keys(pod).map((port): Call => [host, Number(port)]));
};

async function develop(env: Record<string, string>): Promise<Running> {
  place = createPlace();
  const args = ['-r', preload, fixturePath('ipv6-answers.cjs'), 'developer', JSON.stringify(developer)];
  const variables = { ...clusterEnv('deployment/target', namespace), MIRRORD_PROGRESS: 'off', ...env };
  app = startRunning(args, variables, { cwd: place.cwd });
  await app.line('the developer to listen', (line) => line === 'up', 40_000);
  expect(app.stderr()).toBe('');
  return app;
}
const STEAL = { MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true' };

describe.skipIf(reason)('traffic of a pod with two addresses', () => {
  it('is stolen whole, and the developer’s app sees every caller as the pod’s application does', LIMIT, async () => {
    const calls = { outside: everyCall(caller), inside: everyCall(target) };
    const before = { outside: await call(caller, calls.outside), inside: await call(target, calls.inside) };
    // That the comparison compares something: one caller of each kind.
    const served = [...before.outside, ...before.inside].filter(({ by }) => by === 'pod').map(({ peer }) => peer);
    const [four, six] = caller.addresses;
    expect(new Set(served)).toEqual(
      new Set([six, four, `::ffff:${four}`, ...ownPeers(target.addresses), '::1', '127.0.0.1', '::ffff:127.0.0.1']),
    );
    await develop(STEAL);
    for (const [side, from] of [
      ['outside', caller],
      ['inside', target],
    ] as const) {
      const after = await call(from, calls[side]);
      for (const [index, answer] of after.entries()) {
        const plain = before[side][index];
        const [host, port] = calls[side][index]!;
        const wanted = plain.by === 'pod' ? { ...plain, by: 'developer' } : expect.anything();
        expect.soft(answer, `${side} ${host} ${port}, in the pod ${JSON.stringify(plain)}`).toEqual(wanted);
      }
    }
  });

  it('is divided by a filter, wherever the pod’s application listens', LIMIT, async () => {
    const from = [caller, target];
    const calls = await Promise.all(
      from.map(async (peer) => {
        const all = everyCall(peer);
        const answers = await call(peer, all);
        return all.filter((_, index) => answers[index].by === 'pod');
      }),
    );
    await develop({ ...STEAL, MIRRORD_HTTP_HEADER_FILTER: '^x-user: me$' });
    for (const [index, peer] of from.entries()) {
      const mine = await call(
        peer,
        calls[index]!.map(([host, port]) => [host, port, 'me']),
      );
      const theirs = await call(peer, calls[index]!);
      const who = (answers: any[]) => answers.map((answer, at) => [...calls[index]![at]!, answer.by ?? answer]);
      expect(who(mine)).toEqual(calls[index]!.map((one) => [...one, 'developer']));
      expect(who(theirs)).toEqual(calls[index]!.map((one) => [...one, 'pod']));
    }
  });

  it('is mirrored: the pod answers, the copy has its caller', LIMIT, async () => {
    const running = await develop({});
    const [four, six] = caller.addresses;
    const [outside] = await call(caller, [[target.addresses[1], OWN]]);
    const [inside] = await call(target, [['::1', LOOPBACK]]);
    expect([outside.by, inside.by]).toEqual(['pod', 'pod']);
    const heard = (peer: string, family: string) =>
      running.line(`a copy of ${peer}`, ({ heard }) => heard?.peer === peer && heard.family === family);
    await heard(six, 'IPv6');
    await heard('::1', 'IPv6');
    await call(caller, [[target.addresses[0], EVERYWHERE]]);
    await heard(`::ffff:${four}`, 'IPv6');
  });
});

const ownPeers = ([four, six]: Addresses) => [four, `::ffff:${four}`, six];

/** A scripted client: nothing comes back by itself once the agent is killed. */
describe.skipIf(reason).each(['nftables', 'iptables'])('the rules for both families, by %s', (way) => {
  const subscribed = async () => {
    const env = {
      ...process.env,
      ...clusterEnv('deployment/target', namespace),
      MIRRORD_KUBECONFIG: settings.kubeconfig,
    };
    const { config } = loadConfig({ agent: { nftables: way === 'nftables' } } as never, env as NodeJS.ProcessEnv, root);
    const handle = await startAgent(config, () => {});
    const link = await retryWhileStarting(handle, () =>
      connectTunnel({ dial: handle.dial, token: handle.handoff.token, clientName: 'e2e' }),
    );
    const params = { mode: 'steal', onConcurrentSteal: 'abort', keepProbes: true, owner: 'e2e' } as const;
    const { result } = await link.call('incoming.subscribe', { ...params, port: EVERYWHERE });
    return { handle, link, subscription: result.subscription };
  };
  const served: Call[] = [];
  const podServes = () =>
    eventually('the pod to answer over both', async () => {
      const answers = await call(caller, served);
      return answers.every(({ by }) => by === 'pod');
    });

  it.each(['the subscription', 'the session', 'worker', 'supervisor', 'holder'] as const)(
    'are gone when it ends or is killed: %s',
    LIMIT,
    async (victim) => {
      served.splice(0, 2, ...target.addresses.map((host): Call => [host, EVERYWHERE]));
      const { handle, link, subscription } = await subscribed();
      try {
        const standing = await rules();
        expect(standing).toContain(way === 'nftables' ? 'table inet mirrord' : ':mirrord_in_');
        expect(standing).toContain(
          way === 'nftables' ? `ip6 daddr ${target.addresses[1]}` : `-d ${target.addresses[1]}/128`,
        );
        // Nobody takes them: the caller is told so, over both.
        const taken = await call(caller, served);
        expect(taken).toEqual([expect.stringMatching(/^502 mirrord/), expect.stringMatching(/^502 mirrord/)]);
        if (victim === 'the subscription') await link.call('incoming.unsubscribe', { subscription });
        else if (victim === 'the session') await link.close();
        else await killAgent(namespace, victim);
        // With the first process of a container all others end, and nobody is left who could clean up: the next agent does.
        if (way === 'iptables' && victim === 'supervisor') {
          const next = await subscribed();
          await next.link.close();
          await next.handle.abandon();
        }
        await eventually('the rules to be gone', noRules, 20_000);
        await podServes();
      } finally {
        void link.close();
        await handle.abandon();
      }
    },
  );
});
