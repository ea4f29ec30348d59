import { watch } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { agentJobs, core, eventually, runInPod, waitForDeployment } from '../support/cluster';
import { preload } from '../support/spawn-app';
import { deleteAgentJob, deleteAgentPod, killAgent, nothingLeft } from './agents';
import { createPlace, type Place, type Running } from './running';
import { createWorld, fixturePath, type World } from './world';

let world: World;
let place: Place;

beforeAll(async () => {
  world = await createWorld('left');
}, 120_000);
afterAll(() => world?.drop());
beforeEach(() => {
  place = createPlace();
});
afterEach(() => {
  place.remove();
});

const start = (fixture: string, env: Record<string, string | undefined> = {}): Running =>
  place.run(['-r', preload, fixturePath(fixture)], { ...world.env, ...env });

async function targetServes(): Promise<void> {
  const pod = await waitForDeployment(world.namespace, 'target');
  const body = "fetch('http://localhost:8090').then((answer) => console.log(answer.status))";
  expect(await runInPod(world.namespace, pod.metadata!.name!, ['node', '-e', body])).toBe('200\n');
}

/** Nothing on this machine: neither a process, a helper's included, nor the control socket's folder. */
async function nothingHere(): Promise<void> {
  await eventually('no process to be left here', async () => place.processes().length === 0);
  await eventually('no socket folder to be left here', async () => place.leftovers().length === 0);
}

describe('a start that is cut off', () => {
  it.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    'by %s leaves neither Job nor process',
    async (signal) => {
      // No node has that label: the agent's pod waits, and the start with it.
      place.write(
        'mirrord.json',
        JSON.stringify({ target: { path: 'targetless' }, agent: { node_selector: { 'no-such-label': 'here' } } }),
      );
      const { child, exited } = start('started.cjs', { MIRRORD_TARGET: undefined });
      await eventually('the Job to be created', async () => (await agentJobs(world.namespace)).length === 1);
      child.kill(signal);
      expect((await exited).signal).toBe(signal);
      await nothingLeft(world.namespace, 20_000);
      await nothingHere();
    },
    60_000,
  );

  it('when the folder of the control socket has just come leaves no folder', async () => {
    const { child, exited } = start('started.cjs', { MIRRORD_AGENT_GRACE: '10' });
    const watcher = watch(place.tmp, (_event, name) => {
      if (name?.startsWith('mirrord-')) child.kill('SIGKILL');
    });
    try {
      expect((await exited).signal).toBe('SIGKILL');
    } finally {
      watcher.close();
    }
    await nothingHere();
    await nothingLeft(world.namespace, 90_000);
  }, 150_000);
});

describe('an app that is killed', () => {
  it('leaves its agent for the grace time of a lost link, and then nothing', async () => {
    const { child, line } = start('lives-on.cjs');
    await line('the stream to be open', ({ open }) => open);
    expect(place.leftovers()).toHaveLength(1);
    child.kill('SIGKILL');
    await nothingHere();
    await nothingLeft(world.namespace, 90_000);
    await targetServes();
  }, 150_000);
});

describe('an app whose agent goes', () => {
  const ways: Record<string, () => Promise<unknown>> = {
    'because its worker is killed': () => killAgent(world.namespace, 'worker'),
    'because its supervisor is killed': () => killAgent(world.namespace, 'supervisor'),
    'because its Job is deleted': () => deleteAgentJob(world.namespace),
    'because its pod is deleted': () => deleteAgentPod(world.namespace),
    'with the pod of the target': async () => {
      const pod = await waitForDeployment(world.namespace, 'target');
      await core.deleteNamespacedPod({ name: pod.metadata!.name!, namespace: world.namespace });
    },
  };

  it.each(Object.keys(ways))(
    '%s lives on with a new one, and leaves nothing',
    async (way) => {
      const { child, line, stderr, exited } = start('lives-on.cjs');
      await line('the stream to be open', ({ open }) => open);
      await ways[way]!();
      expect(await line('the stream to end', (said) => 'stream' in said, 90_000)).toEqual({ stream: 'ECONNRESET' });
      const { again } = await line('the app to reach the pod again', (said) => said.again, 90_000);
      const pod = await waitForDeployment(world.namespace, 'target');
      expect(again).toEqual({ caller: pod.status!.podIP, file: 'data of the pod: ✔\n', family: 4 });
      expect(stderr().match(/the agent is gone|goes away/g)).toHaveLength(1);
      child.kill('SIGTERM');
      expect(await exited).toEqual({ code: 0, signal: null });
      await nothingLeft(world.namespace, 30_000);
      await nothingHere();
      await targetServes();
    },
    240_000,
  );
});
