import { afterAll, beforeAll, expect, it } from 'vitest';
import { preload, runForJson } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('many');
}, 120_000);
afterAll(() => world?.drop());

it('opens 2,000 connections at once, and each is its own', async () => {
  const outcomes = await runForJson({
    args: ['-r', preload, fixturePath('many-connections.cjs')],
    env: { ...world.env, COUNT: '2000', ECHO_HOST: world.helperIP, ECHO_PORT: '8081' },
    limitMs: 90_000,
  });
  expect(outcomes).toEqual({ echoed: 2000 });
}, 100_000);
