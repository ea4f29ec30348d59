import { afterAll, beforeAll, expect, it } from 'vitest';
import { preload, runForJson } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('forms');
}, 120_000);
afterAll(() => world?.drop());

it.each(['websocket', 'spdy-websocket', 'spdy'])('a session works over a port-forward by %s', async (form) => {
  const seen = await runForJson({
    args: ['-r', preload, fixturePath('forward-forms.cjs')],
    env: { ...world.env, MIRRORD_PORT_FORWARD: form },
  });
  expect(seen).toEqual({ same: true, codes: [200], secret: 'from a Secret' });
});
