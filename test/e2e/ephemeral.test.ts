import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentJobs, core } from '../support/cluster';
import { cli, preload, runProcess } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('ephemeral');
}, 120_000);
afterAll(() => world?.drop());

async function agents() {
  const { status } = await core.readNamespacedPod({ namespace: world.namespace, name: world.pod });
  return status?.ephemeralContainerStatuses ?? [];
}

describe('an agent inside the pod of the target', () => {
  it('serves environment, files, names and connections, and makes no Job', async () => {
    const { code, stdout, stderr } = await runProcess({
      args: [cli, 'exec', '--ephemeral', '--', 'node', fixturePath('child-facts.cjs')],
      env: world.env,
    });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ hostname: world.pod, variable: 'from a Secret', caller: world.podIP });
    expect(await agentJobs(world.namespace)).toEqual([]);
    expect(await agents()).toHaveLength(1);
  }, 60_000);

  it('is joined by the next session while it is warm', async () => {
    const script = 'console.log(require("fs").readFileSync("/etc/target/data.txt", "utf8"))';
    const run = () =>
      runProcess({
        args: ['-r', preload, '-e', script],
        env: { ...world.env, MIRRORD_EPHEMERAL_CONTAINER: 'true', CI: undefined },
      });
    const before = (await agents()).length;
    for (const { stdout, stderr } of [await run(), await run()]) expect(stdout, stderr).toContain('data of the pod');
    expect(await agents()).toHaveLength(before + 1);
  }, 90_000);
});
