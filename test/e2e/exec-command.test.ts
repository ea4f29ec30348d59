import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentJobs, eventually } from '../support/cluster';
import { cli, runProcess } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('exec');
}, 120_000);
afterAll(() => world?.drop());

const exec = (command: string[], flags: string[] = []) =>
  runProcess({
    args: [cli, 'exec', '--target', 'deployment/target', '-n', world.namespace, ...flags, '--', ...command],
    env: { ...world.env, MIRRORD_TARGET: undefined, MIRRORD_TARGET_NAMESPACE: undefined },
  });

it('runs a Node program in the context of the pod and leaves its stdout alone', async () => {
  const { code, stdout, stderr } = await exec(['node', fixturePath('child-facts.cjs')]);
  expect(JSON.parse(stdout)).toEqual({ hostname: world.pod, variable: 'from a Secret', caller: world.podIP });
  expect(code).toBe(0);
  expect(stderr).toContain(world.pod);
});

it('gives the variables of the pod to programs that are not Node', async () => {
  const { stdout } = await exec(['sh', '-c', 'echo "$FROM_SECRET, $FROM_CONFIG"']);
  expect(stdout).toBe('from a Secret, from a ConfigMap\n');
});

it('ends with the exit code of the command', async () => {
  expect((await exec(['node', '-e', 'process.exit(7)'])).code).toBe(7);
});

it('leaves no agent behind', async () => {
  // A process that is killed cannot say goodbye: its session would be kept for the grace time. So this comes before those.
  await exec(['node', '-e', '0']);
  await eventually('the Job of the agent to be gone', async () => (await agentJobs(world.namespace)).length === 0);
});

it('ends with 128 + n when a signal ended the command', async () => {
  expect((await exec(['node', '-e', 'process.kill(process.pid, "SIGTERM")'])).code).toBe(143);
});

it('says which command was not found', async () => {
  const { code, stderr } = await exec(['no-such-command-here']);
  expect(code).toBe(1);
  expect(stderr).toContain('COMMAND_NOT_FOUND');
});

it('says how to give a target when there is none, before anything is created', async () => {
  const { code, stderr } = await runProcess({
    args: [cli, 'exec', '--', 'node', '-e', '0'],
    env: { ...world.env, MIRRORD_TARGET: undefined },
  });
  expect(code).toBe(1);
  expect(stderr).toContain('TARGET_MISSING');
});
