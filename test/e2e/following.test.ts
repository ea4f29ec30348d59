import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { core, eventually, podsOf, restartDeployment, scaleDeployment, waitForDeployment } from '../support/cluster';
import { nothingLeft } from './agents';
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

/** What stderr holds beside the steps of the start. */
const warnings = (developer: Developer) =>
  developer.stderr.split('\n').filter((line) => line !== '' && !/^mirrord: (?!warning|[A-Z_]+: )/.test(line));

describe('a rollout', () => {
  it.each(['preload', 'exec'] as const)(
    'is followed under load: nothing is lost, and the developer answers before and after (%s)',
    async (way) => {
      const developer = await world.develop(STEAL, '8090', way);
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
      expect(await (await fetch('http://127.0.0.1:8090/here')).json()).toMatchObject({ by: 'developer' });
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
      await scaleDeployment(world.namespace, 'target', 3);
      await podsAnswer(3, 'developer', developer);
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
    'are all taken when the app listens, and survive a rollout of all of them',
    async () => {
      await scaleDeployment(world.namespace, 'target', 3);
      await eventually('three pods to be ready', async () => {
        const pods = await podsOf(world.namespace, 'target');
        return pods.length === 3 && pods.every(({ status }) => status?.containerStatuses?.[0]?.ready);
      });
      const developer = await world.develop(ALL, '8090', 'exec');
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
});
