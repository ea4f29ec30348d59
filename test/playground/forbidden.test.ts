import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiProxy } from '../support/api-proxy';
import { eventually } from '../support/eventually';
import { preload, runProcess } from '../support/run-process';
import { Cluster } from './support/cluster';
import { cli, runNode } from './support/run-cli';

// Denials are a feature of the playground, so this suite runs on a playground of its own.
let cluster: Cluster;
let folder: string;
const CONFIG = '/api/v1/namespaces/kube-system/configmaps';

beforeAll(async () => {
  cluster = await Cluster.start();
  folder = mkdtempSync(join(tmpdir(), 'mirrord-forbidden-'));
  writeFileSync(join(folder, 'kubeconfig'), cluster.playground.kubeconfig);
  await cluster.call('POST', '/apis/apps/v1/namespaces/default/deployments', {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            { name: 'app', image: 'playground/node:1', command: ['node', '-e', 'setInterval(() => {}, 1e6)'] },
          ],
        },
      },
    },
  });
  await webPod();
  await cluster.call('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'agents' },
  });
}, 60_000);
const allowAll = () => cluster.call('DELETE', `${CONFIG}/playground-deny`);
afterEach(allowAll);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Name of the pod of the deployment, once it is ready and no other one is there. */
function webPod(): Promise<string> {
  return eventually('one pod of the deployment, which is ready', async () => {
    const { json } = await cluster.call('GET', '/api/v1/namespaces/default/pods?labelSelector=app=web');
    const [pod, ...others] = json.items;
    return others.length === 0 && pod?.status.containerStatuses?.[0]?.ready && pod.metadata.name;
  });
}

async function deny(verb: string, resource: string, namespace?: string): Promise<void> {
  await cluster.call('POST', CONFIG, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'playground-deny' },
    data: { rules: JSON.stringify([{ verb, resource, namespace }]) },
  });
}

async function startDenied(verb: string, resource: string) {
  await deny(verb, resource);
  return runProcess({
    args: ['-r', preload, '-e', 'console.log("started")'],
    env: {
      KUBECONFIG: join(folder, 'kubeconfig'),
      MIRRORD_TARGET: 'deployment/web',
      CI: 'true',
      NODE_OPTIONS: undefined,
    },
  });
}

describe('a start without the right to', () => {
  it.each([
    ['get', 'deployments'],
    ['list', 'pods'],
    ['create', 'jobs'],
    ['create', 'pods/portforward'],
  ])('%s %s names both and prints the Role, and leaves no Job', async (verb, resource) => {
    const { code, stdout, stderr } = await startDenied(verb, resource);
    expect(stderr).toContain('mirrord: FORBIDDEN: ');
    expect(stderr).toContain(verb);
    expect(stderr).toContain(resource);
    expect(stderr).toContain('kind: Role');
    expect(stdout).toBe('');
    expect(code).toBe(1);
    await eventually('no Job to be left', async () => {
      const { json } = await cluster.call('GET', '/apis/batch/v1/jobs');
      return json.items.length === 0;
    });
  });
});

describe('an agent in a namespace of its own, without the right to', () => {
  /** Says the name of the pod that it runs as, each time it is another one. */
  const NAMES = `
    let last;
    const look = () => {
      try {
        const name = require('fs').readFileSync('/etc/hostname', 'utf8').trim();
        if (name !== last) console.log((last = name));
      } catch {}
      setTimeout(look, 100);
    };
    look();
  `;
  const env = { MIRRORD_AGENT_NAMESPACE: 'agents', MIRRORD_PROGRESS: 'plain' };
  const kubeconfig = () => join(folder, 'kubeconfig');

  it.each([
    ['watch', 'deployment/web'],
    ['list', 'pod/'],
  ])(
    '%s pods in that of the target (%s) serves, says once what is missing, and outlives the pod',
    async (verb, path) => {
      const before = await webPod();
      await deny(verb, 'pods', 'default');
      const target = path === 'pod/' ? `pod/${before}` : path;
      const app = runNode(['-r', preload, '-e', NAMES], kubeconfig(), { ...env, MIRRORD_TARGET: target });
      try {
        const names = () => app.stdout().split('\n').filter(Boolean);
        const said = () => app.stderr().match(/.*the target is not followed.*/g) ?? [];
        await eventually(`the app to run as a pod; it says ${app.stderr()}`, async () => names().length === 1);
        await eventually(`the warning; it says ${app.stderr()}`, async () => said().length > 0);
        expect(said()[0]).toMatch(
          new RegExp(`^mirrord: warning: .*\\(FORBIDDEN: You may not ${verb} pods in namespace "default": .*\\)$`),
        );
        if (path === 'pod/') return;
        await cluster.call('DELETE', `/api/v1/namespaces/default/pods/${before}`);
        await eventually(
          `the app to run as another pod; it says ${app.stderr()}`,
          async () => names().length === 2,
          60_000,
        );
        expect(names()).toEqual([before, await webPod()]);
        expect(said()).toHaveLength(1);
      } finally {
        app.child.kill('SIGTERM');
        await app.ended;
      }
    },
    120_000,
  );

  it.each(['watch', 'list'])(
    '%s pods any more says so once and lives on, also when the pod goes',
    async (verb) => {
      const proxy = await ApiProxy.start(kubeconfig());
      const app = runNode(['-r', preload, '-e', NAMES], proxy.kubeconfig, { ...env, MIRRORD_TARGET: 'deployment/web' });
      try {
        const names = () => app.stdout().split('\n').filter(Boolean);
        const said = () => app.stderr().match(/.*the target is not followed.*/g) ?? [];
        const move = async () => {
          const before = await webPod();
          await cluster.call('DELETE', `/api/v1/namespaces/default/pods/${before}`);
          const isElsewhere = async () => ![undefined, before].includes(names().at(-1));
          await eventually('the app to run as another pod', isElsewhere, 60_000);
          expect(names().at(-1)).toBe(await webPod());
        };
        await eventually(`the app to run as a pod; it says ${app.stderr()}`, async () => names().length === 1);
        // Nobody else says that: when it is said, the pods are watched.
        for (let moves = 1; moves <= 3 && !app.stderr().includes('goes away'); moves++) await move();
        expect(app.stderr()).toContain('goes away');
        await deny(verb, 'pods', 'default');
        // A watch that stands goes on. With the connections it goes, and is not let in again.
        await proxy.cut();
        await eventually(`the warning; it says ${app.stderr()}`, async () => said().length > 0);
        expect(said()[0]).toContain(`FORBIDDEN: You may not ${verb} pods in namespace "default"`);
        // Whoever may not list pods cannot choose one of them.
        if (verb === 'list') await allowAll();
        await move();
        expect(said()).toHaveLength(1);
      } finally {
        app.child.kill('SIGTERM');
        await app.ended;
        proxy.stop();
      }
    },
    120_000,
  );

  it('watch pods in that of the target is told so by doctor, which finds nothing else', async () => {
    await deny('watch', 'pods', 'default');
    const args = [cli, 'doctor', '-t', 'deployment/web', '--json'];
    const { code, stdout } = await runNode(args, kubeconfig(), env).ended;
    const { ok, checks } = JSON.parse(stdout);
    expect({ ok, code }).toEqual({ ok: true, code: 0 });
    const missing = checks.filter(({ status }: { status: string }) => status !== 'ok');
    expect(missing).toEqual([expect.objectContaining({ name: 'right:pods:following', status: 'warning' })]);
    expect(missing[0].detail).toMatch(/^you may not watch pods in namespace "default"; without it there are no moves/);
    expect(missing[0].remedy).toMatch(/namespace: default[\s\S]*resources: \[pods\]\n {4}verbs: \[watch\]/);
  }, 30_000);
});
