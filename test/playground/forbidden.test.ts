import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually';
import { preload, runProcess } from '../support/run-process';
import { Cluster } from './support/cluster';

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
          containers: [
            { name: 'app', image: 'playground/node:1', command: ['node', '-e', 'setInterval(() => {}, 1e6)'] },
          ],
        },
      },
    },
  });
  await eventually('the deployment to be ready', async () => {
    const { json } = await cluster.call('GET', '/apis/apps/v1/namespaces/default/deployments/web');
    return json.status?.readyReplicas === 1;
  });
}, 60_000);
afterEach(() => cluster.call('DELETE', `${CONFIG}/playground-deny`));
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startDenied(verb: string, resource: string) {
  await cluster.call('POST', CONFIG, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'playground-deny' },
    data: { rules: JSON.stringify([{ verb, resource }]) },
  });
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
