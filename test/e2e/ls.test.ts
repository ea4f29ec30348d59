import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply } from '../support/cluster';
import { cli, runForJson, runProcess } from '../support/spawn-app';
import { createWorld, type World } from './world';

let world: World;
beforeAll(async () => {
  world = await createWorld('ls');
  await apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'asleep', namespace: world.namespace },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'asleep' } },
      template: { metadata: { labels: { app: 'asleep' } }, spec: { containers: [{ name: 'app', image: 'x' }] } },
    },
  } as never);
}, 120_000);
afterAll(() => world?.drop());

const ls = (...args: string[]) => ({ args: [cli, 'ls', ...args], env: world.env });

it('lists what has a pod that is ready, each as it goes into --target', async () => {
  const targets = await runForJson<any[]>(ls('--json'));
  const paths = targets.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([`pod/${world.pod}`, 'deployment/target', 'deployment/helper', 'service/helper']),
  );
  expect(paths).not.toContain('deployment/asleep');
  expect(paths.filter((path) => path.startsWith('replicaset/'))).toEqual([]);
  expect(targets.find(({ path }) => path === 'deployment/target')).toEqual({
    path: 'deployment/target',
    kind: 'deployment',
    name: 'target',
    namespace: world.namespace,
    ready: 1,
    wanted: 1,
    containers: ['app'],
  });
});

it('prints a table, and with -A the namespaces beside it', async () => {
  const { stdout, code } = await runProcess(ls());
  expect(code).toBe(0);
  expect(stdout).toMatch(/^TARGET +READY +CONTAINERS\n/);
  expect(stdout).toMatch(/\ndeployment\/target +1\/1 +app\n/);
  const all = await runProcess(ls('-A'));
  expect(all.stdout).toMatch(/^NAMESPACE +TARGET/);
  expect(all.stdout).toMatch(new RegExp(`\\n${world.namespace} +deployment/target `));
});

it('says when there is nothing', async () => {
  const { stdout, stderr, code } = await runProcess(ls('-n', 'nowhere'));
  expect({ stdout, code }).toEqual({ stdout: '', code: 0 });
  expect(stderr).toContain('nothing is ready in namespace "nowhere"');
});
