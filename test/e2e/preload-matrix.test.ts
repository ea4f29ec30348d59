import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInPod } from '../support/cluster';
import { preload, runForJson } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
const inPod: Record<string, any> = {};

beforeAll(async () => {
  world = await createWorld('matrix');
  for (const file of ['facts.cjs', 'facts.mjs']) {
    const output = await runInPod(world.namespace, world.pod, [
      'env',
      `HELPER_IP=${world.helperIP}`,
      'node',
      `/app/${file}`,
    ]);
    inPod[file] = JSON.parse(output);
  }
}, 120_000);
afterAll(() => world?.drop());

const ways: Record<string, (file: string) => { args: string[]; env: Record<string, string> }> = {
  '-r': (file) => ({ args: ['-r', preload, file], env: {} }),
  '--import': (file) => ({ args: ['--import', preload, file], env: {} }),
  NODE_OPTIONS: (file) => ({ args: [file], env: { NODE_OPTIONS: `--require="${preload}"` } }),
};

describe.each(Object.keys(ways))('a process started with %s', (way) => {
  it.each(['facts.cjs', 'facts.mjs'])('sees through %s what the pod sees', async (file) => {
    const { args, env } = ways[way]!(fixturePath(file));
    const seen = await runForJson({ args, env: { ...world.env, ...env, HELPER_IP: world.helperIP } });
    expect(seen).toEqual(inPod[file]);
    // Not merely equal: the values that only the pod can give.
    expect(seen.network.http.value.caller).toBe(world.podIP);
    expect(seen.hostname).toBe(world.pod);
    expect(seen.files.readFileSync.value).toBe('data of the pod: ✔\n');
    expect(seen.env.FROM_SECRET).toBe('from a Secret');
  });
});
