import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentJobs } from '../support/cluster';
import { preload, runForJson } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('children');
}, 120_000);
afterAll(() => world?.drop());

it('attaches child processes to the session of their parent, whatever way they were started', async () => {
  const running = runForJson({
    args: ['-r', preload, fixturePath('children.cjs')],
    env: world.env,
    limitMs: 60_000,
  });
  const seen = await running;
  const expected = { hostname: world.pod, variable: 'from a Secret', caller: world.podIP };
  expect(seen).toEqual({
    fork: expected,
    spawn: expected,
    exec: expected,
    execSync: expected,
    'spawn with an environment of its own': { ...expected, variable: 'own' },
    worker: expected,
  });
});

it('starts one agent for the whole process tree', async () => {
  const seen = await runForJson({
    args: ['-r', preload, fixturePath('count-while-running.cjs')],
    env: { ...world.env, HOLD_MS: '1500' },
    limitMs: 60_000,
  });
  expect(seen.children).toBe(3);
  const jobs = await agentJobs(world.namespace);
  expect(jobs.length).toBeLessThanOrEqual(1);
});
