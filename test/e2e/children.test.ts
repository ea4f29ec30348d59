import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentJobs } from '../support/cluster';
import { installWithSpace } from '../support/install-with-space';
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
}, 90_000);

describe('every further way to start a child', () => {
  const place = { folder: '', root: '' };
  beforeAll(() => void Object.assign(place, installWithSpace()));
  afterAll(() => rmSync(place.folder, { recursive: true, force: true }));

  const parents: Record<string, () => { args: string[]; env: Record<string, string> }> = {
    '-r': () => ({ args: ['-r', preload], env: {} }),
    NODE_OPTIONS: () => ({ args: [], env: { NODE_OPTIONS: `--require="${preload}"` } }),
    '-r from a folder with a space': () => ({ args: ['-r', join(place.root, 'register.cjs')], env: {} }),
    startSession: () => ({ args: [], env: { API_SESSION: join(place.root, 'dist', 'index.cjs') } }),
  };

  it.each(Object.keys(parents))(
    'attaches it to a parent that was started with %s',
    async (way) => {
      const { args, env } = parents[way]!();
      const seen = await runForJson<Record<string, unknown>>({
        args: [...args, fixturePath('every-child.cjs')],
        env: { ...world.env, ...env },
        limitMs: 90_000,
      });
      const expected = { hostname: world.pod, variable: 'from a Secret', caller: world.podIP };
      expect(Object.keys(seen)).toHaveLength(10);
      expect(seen).toEqual(Object.fromEntries(Object.keys(seen).map((name) => [name, expected])));
    },
    120_000,
  );
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
}, 90_000);
