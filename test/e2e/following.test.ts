import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  core,
  eventually,
  podsOf,
  restartDeployment,
  runInPod,
  scaleDeployment,
  waitForDeployment,
} from '../support/cluster';
import { nothingLeft, occupyAgentOf } from './agents';
import { createIncomingWorld, type Developer, type IncomingWorld } from './incoming-world';

const LIMIT = 240_000;
const STEAL = { MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true', MIRRORD_PROGRESS: 'plain' };
const ALL = { ...STEAL, MIRRORD_TARGET_REPLICAS: 'all' };

let world: IncomingWorld;
beforeEach(async () => {
  world = await createIncomingWorld('following');
}, 120_000);
afterEach(() => world?.drop());

/** What each pod of the target answers itself, asked at its own address. */
async function answers(): Promise<string[]> {
  const pods = await podsOf(world.namespace, 'target');
  return Promise.all(pods.map(async ({ status }) => (await world.call('http', '', status!.podIP)).by));
}

async function podsAnswer(count: number, by: string, developer: Developer): Promise<void> {
  await eventually(
    `${count} pods, whose requests the ${by} answers; stderr: ${developer.stderr}`,
    async () => {
      const pods = await podsOf(world.namespace, 'target');
      const ready = pods.every(({ status }) => status?.containerStatuses?.[0]?.ready);
      return pods.length === count && ready && (await answers()).every((answer) => answer === by);
    },
    60_000,
  );
}

async function readyPods(count: number): Promise<void> {
  await eventually(`${count} pods to be ready`, async () => {
    const pods = await podsOf(world.namespace, 'target');
    return pods.length === count && pods.every(({ status }) => status?.containerStatuses?.[0]?.ready);
  });
}

/** What stderr holds beside the steps of the start. */
const warnings = (developer: Developer) =>
  developer.stderr.split('\n').filter((line) => line !== '' && !/^mirrord: (?!warning|[A-Z_]+: )/.test(line));

describe('a rollout', () => {
  it.each(['preload', 'exec'] as const)(
    'is followed under load: nothing is lost, and the developer answers before and after (%s)',
    async (way) => {
      const developer = await world.develop(STEAL, ['http'], way);
      const before = world.load(1);
      expect(await before).toMatchObject({ counts: { developer: expect.any(Number) }, failures: [] });
      const old = await waitForDeployment(world.namespace, 'target');
      const load = world.load(20);
      await restartDeployment(world.namespace, 'target');
      await eventually(
        'the old pod to be gone',
        async () =>
          (await podsOf(world.namespace, 'target')).every(({ metadata }) => metadata!.uid !== old.metadata!.uid),
        60_000,
      );
      await eventually(
        'the developer to answer for the new pod',
        async () => (await world.call('http')).by === 'developer',
        60_000,
      );
      const { counts, failures } = await load;
      // Two ask at a time, so no more can have been on their way when the old pod ended.
      expect(failures.length).toBeLessThanOrEqual(2);
      expect(counts.developer).toBeGreaterThan(0);
      expect((await world.load(1)).counts).toEqual({ developer: expect.any(Number) });
      expect(warnings(developer)).toEqual([expect.stringContaining(`pod ${old.metadata!.name} goes away`)]);
      await developer.leave();
      await nothingLeft(world.namespace, 30_000);
    },
    LIMIT,
  );

  it(
    'of a pod that was named itself is told once, with what to do, and the app goes on',
    async () => {
      const pod = await waitForDeployment(world.namespace, 'target');
      const name = pod.metadata!.name!;
      const developer = await world.develop({ ...STEAL, MIRRORD_TARGET: `pod/${name}` });
      expect((await world.call('http')).by).toBe('developer');
      await core.deleteNamespacedPod({ name, namespace: world.namespace });
      await eventually('the session to say it', async () => developer.stderr.includes(`pod ${name} goes away`));
      expect(developer.stderr).toContain('such as deployment/NAME');
      await waitForDeployment(world.namespace, 'target');
      expect((await world.call('http')).by).toBe('pod');
      expect(await (await fetch(`http://127.0.0.1:${world.ports.http}/here`)).json()).toMatchObject({
        by: 'developer',
      });
      expect(developer.stderr.match(/goes away/g)).toHaveLength(1);
      await developer.leave();
    },
    LIMIT,
  );
});

describe('all replicas', () => {
  it(
    'are stolen from, also those that come, until they go',
    async () => {
      const developer = await world.develop(ALL);
      await podsAnswer(1, 'developer', developer);
      const first = await waitForDeployment(world.namespace, 'target');
      await scaleDeployment(world.namespace, 'target', 3);
      await podsAnswer(3, 'developer', developer);
      // All else is that of one of them.
      const seen = (await (await fetch(`http://127.0.0.1:${world.ports.http}/world`)).json()) as {
        hostname: string;
        hosts: string;
      };
      expect(seen.hostname).toBe(first.metadata!.name);
      expect(seen.hosts).toContain(first.status!.podIP);
      await scaleDeployment(world.namespace, 'target', 1);
      await podsAnswer(1, 'developer', developer);
      expect((await world.load(1)).counts).toEqual({ developer: expect.any(Number) });
      await developer.leave();
      await podsAnswer(1, 'pod', developer);
      await nothingLeft(world.namespace, 30_000);
    },
    LIMIT,
  );

  it(
    'but one, whose agent cannot start, are stolen from; a line says which is not, and why',
    async () => {
      await scaleDeployment(world.namespace, 'target', 2);
      await readyPods(2);
      const pods = await podsOf(world.namespace, 'target');
      const [first, second] = pods.sort((a, b) => a.metadata!.name!.localeCompare(b.metadata!.name!));
      await occupyAgentOf(world.namespace, second!);
      const developer = await world.develop(ALL);
      const by = async ({ status }: V1Pod) => (await world.call('http', '', status!.podIP)).by;
      expect([await by(first!), await by(second!)]).toEqual(['developer', 'pod']);
      expect(warnings(developer)).toEqual([
        expect.stringContaining(
          `pod ${second!.metadata!.name} has no agent, what comes to it stays there: AGENT_CONFLICT`,
        ),
      ]);
      await developer.leave();
    },
    LIMIT,
  );

  it(
    'are stolen from where they have the port; of one that lacks it a line says which key names it',
    async () => {
      await scaleDeployment(world.namespace, 'target', 2);
      await readyPods(2);
      const pods = await podsOf(world.namespace, 'target');
      const [first, second] = pods.sort((a, b) => a.metadata!.name!.localeCompare(b.metadata!.name!));
      const { http } = world.ports;
      const listen = `require('node:http').createServer((_, answer) => answer.end('pod')).listen(${http + 9})`;
      // Longer than this test takes: what is run in a pod ends with whoever runs it.
      const beside = runInPod(world.namespace, first!.metadata!.name!, ['timeout', '100', 'node', '-e', listen]).catch(
        () => {},
      );
      const ask = async () => {
        const script = `fetch('http://${first!.status!.podIP}:${http + 9}').then((a) => a.text()).then(console.log, () => {})`;
        return runInPod(world.namespace, second!.metadata!.name!, ['node', '-e', script]);
      };
      await eventually('the port of the first pod', async () => (await ask()).trim() === 'pod');
      const folder = mkdtempSync(join(tmpdir(), 'mirrord-unknown-'));
      const file = join(folder, 'mirrord.json');
      const port_mapping = [[http, http + 9]];
      writeFileSync(file, JSON.stringify({ feature: { network: { incoming: { mode: 'steal', port_mapping } } } }));
      const developer = await world.develop({ ...ALL, MIRRORD_CONFIG_FILE: file });
      expect(developer.stderr).toContain(
        `PORT_UNKNOWN: port ${http + 9} of pod ${second!.metadata!.name}: ` +
          `feature.network.incoming.port_mapping has [${http}, ${http + 9}], but nothing in the pod listens on port ${http + 9}; it listens on`,
      );
      expect(developer.stderr).toContain('the other pods are not concerned');
      expect(await ask()).toContain('"by":"developer"');
      await developer.leave();
      rmSync(folder, { recursive: true });
      await eventually('the first pod to have its port again', async () => (await ask()).trim() === 'pod');
      void beside;
    },
    LIMIT,
  );

  it(
    'are all taken when the app listens, and survive a rollout of all of them',
    async () => {
      await scaleDeployment(world.namespace, 'target', 3);
      await readyPods(3);
      const developer = await world.develop(ALL, ['http'], 'exec');
      expect(await answers()).toEqual(['developer', 'developer', 'developer']);
      await restartDeployment(world.namespace, 'target');
      await eventually(
        'the rollout to be over',
        async () => {
          const pods = await podsOf(world.namespace, 'target');
          return pods.length === 3 && pods.every(({ metadata }) => metadata!.annotations?.restarted);
        },
        60_000,
      );
      await podsAnswer(3, 'developer', developer);
      await developer.leave();
      await nothingLeft(world.namespace, 30_000);
    },
    LIMIT,
  );

  it(
    'of eight pods get an agent each, a few at a time, and a line says how many have one',
    async () => {
      await scaleDeployment(world.namespace, 'target', 8);
      await readyPods(8);
      const developer = await world.develop(ALL);
      expect(developer.stderr).toMatch(/[1-8] of the target's 8 pods have an agent/);
      await podsAnswer(8, 'developer', developer);
      expect(warnings(developer)).toEqual([]);
      await developer.leave();
      await podsAnswer(8, 'pod', developer);
      await nothingLeft(world.namespace, 60_000);
    },
    LIMIT,
  );

  it(
    'are stolen from by agents inside the pods too, also those that come, until the session ends',
    async () => {
      await scaleDeployment(world.namespace, 'target', 2);
      await readyPods(2);
      const developer = await world.develop({ ...ALL, MIRRORD_EPHEMERAL_CONTAINER: 'true' });
      await podsAnswer(2, 'developer', developer);
      await scaleDeployment(world.namespace, 'target', 3);
      await podsAnswer(3, 'developer', developer);
      // No Jobs: an agent inside a pod is a container of that.
      await nothingLeft(world.namespace, 1_000);
      await developer.leave();
      await podsAnswer(3, 'pod', developer);
    },
    LIMIT,
  );
});
