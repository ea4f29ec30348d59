import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentJobs, apps, core, eventually, podsOf } from '../support/cluster';
import { preload, root } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('follow');
}, 120_000);
afterAll(() => world?.drop());

interface Running {
  facts: Record<string, string>[];
  stderr(): string;
  exit: Promise<number | null>;
}

function start(env: Record<string, string | undefined>, args = [fixturePath('follow.cjs')]): Running {
  const merged = Object.fromEntries(Object.entries({ ...process.env, ...env }).filter(([, value]) => value));
  const child = spawn(process.execPath, ['-r', preload, ...args], { cwd: root, env: merged });
  const facts: Record<string, string>[] = [];
  let rest = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    facts.push(...lines.map((line) => JSON.parse(line)));
  });
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return { facts, stderr: () => stderr, exit: new Promise((resolve) => child.once('exit', resolve)) };
}

const callersOf = (app: Running, who: string) =>
  app.facts.filter((fact) => fact.who === who && fact.caller).map((fact) => fact.caller);

it('moves to the pod that takes the place of the target, with its child processes, and says so in one line', async () => {
  const app = start(world.env);
  await eventually('both processes to hold a connection', async () => {
    return app.facts.filter((fact) => fact.held === 'open').length === 2 && callersOf(app, 'child').length === 1;
  });
  expect(callersOf(app, 'parent')).toEqual([world.podIP]);
  await core.deleteNamespacedPod({ name: world.pod, namespace: world.namespace });
  expect(await app.exit).toBe(0);

  const [successor] = await podsOf(world.namespace, 'target');
  for (const who of ['parent', 'child']) expect(callersOf(app, who)).toEqual([world.podIP, successor!.status!.podIP]);
  const lines = app
    .stderr()
    .split('\n')
    .filter((line) => line.includes('goes away') || line.includes('has ended'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    new RegExp(
      `^mirrord: warning: .*${world.pod}.*this process now runs as ${successor!.metadata!.name}, container app`,
    ),
  );
  // Only what was open in the pod that has gone ended with it.
  expect(
    app.facts.filter((fact) => fact.held && fact.held !== 'open').every((fact) => fact.held === 'ECONNRESET'),
  ).toBe(true);
  await eventually('no Job to be left', async () => (await agentJobs(world.namespace)).length === 0);
}, 90_000);

it('starts an agent on each pod when all replicas are asked for, and leaves none behind', async () => {
  const scale = (replicas: number) =>
    apps.patchNamespacedDeployment({
      name: 'target',
      namespace: world.namespace,
      body: [{ op: 'replace', path: '/spec/replicas', value: replicas }],
    });
  const app = start({ ...world.env, MIRRORD_TARGET_REPLICAS: 'all' });
  await eventually('the first agent', async () => callersOf(app, 'parent').length === 1);
  await scale(2);
  await eventually('a second agent', async () => (await agentJobs(world.namespace)).length === 2);
  await eventually('the line about it', async () => app.stderr().includes('also connected: '));
  const [before] = callersOf(app, 'parent');
  const pod = (await podsOf(world.namespace, 'target')).find(({ status }) => status?.podIP === before)!;
  await core.deleteNamespacedPod({ name: pod.metadata!.name!, namespace: world.namespace });
  expect(await app.exit).toBe(0);
  expect(callersOf(app, 'parent')).toHaveLength(2);
  await eventually('no Job to be left', async () => (await agentJobs(world.namespace)).length === 0);
}, 90_000);
