import { afterAll, beforeAll, expect, it } from 'vitest';
import { root, runForJson } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('session');
}, 120_000);
afterAll(() => world?.drop());

it.each(['session.cjs', 'session.mjs'])(
  'startSession in %s gives the world of the pod until it is closed',
  async (file) => {
    const seen = await runForJson({
      args: [fixturePath(file)],
      env: { ...world.env, MIRRORD_TARGET: undefined, PROJECT_ROOT: root, FROM_SECRET: 'before' },
    });
    expect(seen.before).toEqual({ variable: 'before', ownHostname: true });
    expect(seen.during).toMatchObject({ variable: 'from a Secret', hostname: world.pod, caller: world.podIP });
    expect(seen.sessionEnv).toBe('from a Secret');
    expect(seen.after).toEqual({ variable: 'before', ownHostname: true });
  },
);
