import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { agentJobs, core, eventually, settings } from '../support/cluster';
import { preload } from '../support/spawn-app';
import { agentPods, nothingLeft } from './agents';
import { createPlace, type Place, type Running } from './running';
import { createWorld, fixturePath, type World } from './world';

let world: World;
let place: Place;

beforeAll(async () => {
  world = await createWorld('joining');
}, 120_000);
afterAll(() => world?.drop());
beforeEach(() => {
  place = createPlace();
});
afterEach(() => {
  place.remove();
});

const start = (env: Record<string, string | undefined> = {}): Running =>
  place.run(['-r', preload, fixturePath('lives-on.cjs')], { ...world.env, ...env });

/** The kubeconfig of somebody else, with other names for the same cluster. */
function otherKubeconfig(): string {
  const text = readFileSync(settings.kubeconfig, 'utf8').replaceAll(
    /(user|name|current-context): (\S+)/g,
    '$1: other-$2',
  );
  place.write('kubeconfig', text.replaceAll(/cluster: (\w[\w.-]*)\n/g, 'cluster: other-$1\n'));
  return join(place.cwd, 'kubeconfig');
}

it('a second developer joins the agent of the first, whose end takes nothing from the second', async () => {
  const first = start();
  await first.line('the first to be connected', ({ open }) => open);
  const second = start({ KUBECONFIG: otherKubeconfig() });
  await second.line('the second to be connected', ({ open }) => open);
  expect(second.stderr()).toMatch(/Agent mirrord-agent-\S+ joined/);
  expect(second.stderr()).toContain('(context other-');
  expect(await agentJobs(world.namespace)).toHaveLength(1);
  first.child.kill('SIGTERM');
  expect(await first.exited).toEqual({ code: 0, signal: null });
  // Somebody who joins only now finds it as well.
  const third = start();
  await third.line('the third to be connected', ({ open }) => open);
  expect(third.stderr()).toContain('joined');
  expect(second.lines).toEqual([{ open: true }]);
  for (const { child } of [second, third]) child.kill('SIGTERM');
  await Promise.all([second.exited, third.exited]);
  await nothingLeft(world.namespace, 30_000);
}, 120_000);

it('an app that is started again and again while its agents end always gets one', async () => {
  // Each agent ends with its session: the next start meets one that is there, on its way out, or gone.
  for (const pause of [0, 20, 60, 120, 250, 500]) {
    const running = start();
    await running.line(`the start after ${pause} ms to be connected`, ({ open }) => open);
    running.child.kill('SIGTERM');
    expect(await running.exited).toEqual({ code: 0, signal: null });
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  await nothingLeft(world.namespace, 30_000);
}, 120_000);

it('an app that is started again finds the agent warm for its idle time', async () => {
  const warm = { CI: undefined, MIRRORD_AGENT_IDLE_TIMEOUT: '20' };
  const names = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const running = start(warm);
    await running.line('the app to be connected', ({ open }) => open);
    const pods = await eventually('the agent', async () => agentPods(world.namespace));
    names.add(pods[0]!.metadata!.name!);
    running.child.kill('SIGTERM');
    await running.exited;
  }
  expect(names.size).toBe(1);
  const [name] = names;
  expect((await core.readNamespacedPod({ name: name!, namespace: world.namespace })).status!.phase).toBe('Running');
  await nothingLeft(world.namespace, 60_000);
}, 120_000);
