import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TargetKind } from '../../../src/config/types';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { findTarget, findTargets } from '../../../src/kube/find-target';
import { ScriptedApi } from '../../support/scripted-api';
import { targetPod } from '../../support/scripted-cluster';

const CORE = '/api/v1/namespaces/default';
const APPS = '/apis/apps/v1/namespaces/default';
const BATCH = '/apis/batch/v1/namespaces/default';
const ARGO = '/apis/argoproj.io/v1alpha1/namespaces/default';
let api: ScriptedApi;
let cluster: Cluster;
beforeEach(async () => {
  api = await ScriptedApi.start();
  cluster = await openCluster({ kubeconfig: api.kubeconfig, context: undefined, acceptInvalidCertificates: false });
  api.on(`GET ${CORE}/pods`, ({ query }) => ({
    items: query.get('labelSelector') === 'app=web' ? [targetPod('web-1')] : [],
  }));
});
afterEach(async () => {
  cluster.close();
  await api.stop();
});

const find = (kind: TargetKind, name = 'web', container?: string) =>
  findTarget(cluster, { kind, name, container }, 'default');

async function failure(run: Promise<unknown>): Promise<any> {
  return run.then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => error,
  );
}

const workload = { metadata: { name: 'web', uid: 'w' }, spec: { selector: { matchLabels: { app: 'web' } } } };
const withStatus = (name: string, ready: boolean) =>
  targetPod(name, {
    status: {
      containerStatuses: [{ name: 'app', ready, containerID: `containerd://${name}`, state: { running: {} } }],
    },
  });

describe('the pods of', () => {
  it.each([
    ['replicaset', `${APPS}/replicasets/web`, workload],
    ['statefulset', `${APPS}/statefulsets/web`, workload],
    ['daemonset', `${APPS}/daemonsets/web`, workload],
    ['job', `${BATCH}/jobs/web`, workload],
    ['rollout', `${ARGO}/rollouts/web`, workload],
    ['service', `${CORE}/services/web`, { spec: { selector: { app: 'web' } } }],
  ] as const)('a %s are those it selects', async (kind, path, object) => {
    api.on(`GET ${path}`, () => object);
    const { target } = await find(kind);
    expect(target).toMatchObject({ path: `${kind}/web`, pod: 'web-1', reason: 'the only pod, ready' });
  });

  it('labels need no object', async () => {
    expect((await find('label', 'app=web')).target).toMatchObject({ path: 'label/app=web', pod: 'web-1' });
    expect(api.requests).toHaveLength(1);
  });

  it('a pod need one request', async () => {
    api.on(`GET ${CORE}/pods/web-1`, () => targetPod('web-1'));
    await find('pod', 'web-1');
    expect(api.requests).toHaveLength(1);
  });

  it('a rollout that lends another workload are those of that workload', async () => {
    const workloadRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web-template' };
    api.on(`GET ${ARGO}/rollouts/web`, () => ({ metadata: { name: 'web' }, spec: { workloadRef, replicas: 2 } }));
    // The workload itself has been scaled down: that is how Argo takes it over.
    api.on(`GET ${APPS}/deployments/web-template`, () => ({ ...workload, spec: { ...workload.spec, replicas: 0 } }));
    expect((await find('rollout')).target).toMatchObject({ path: 'rollout/web', pod: 'web-1' });
  });

  it('a cron job are those of its newest job that runs, which is said', async () => {
    const job = (name: string, created: string, active: number, owner = 'w') => ({
      metadata: { name, creationTimestamp: created, ownerReferences: [{ kind: 'CronJob', name: 'web', uid: owner }] },
      spec: { selector: { matchLabels: { 'controller-uid': name } } },
      status: { active },
    });
    api.on(`GET ${BATCH}/cronjobs/web`, () => workload);
    api.on(`GET ${BATCH}/jobs`, () => ({
      items: [
        job('older', '2026-01-01T00:00:00Z', 1),
        job('newest', '2026-01-03T00:00:00Z', 1),
        job('over', '2026-01-04T00:00:00Z', 0),
        job('others', '2026-01-05T00:00:00Z', 1, 'another'),
      ],
    }));
    api.on(`GET ${CORE}/pods`, ({ query }) => ({
      items: query.get('labelSelector') === 'controller-uid=newest' ? [targetPod('newest-1')] : [],
    }));
    const { target } = await find('cronjob');
    expect(target).toMatchObject({ pod: 'newest-1', reason: 'its latest job newest: the only pod, ready' });
  });

  it('all replicas are the ready ones, the best first, without our own agents', async () => {
    const managed = { labels: { 'app.kubernetes.io/managed-by': 'mirrord-node', app: 'web' } };
    api.on(`GET ${APPS}/deployments/web`, () => workload);
    api.on(`GET ${CORE}/pods`, () => ({
      items: [
        withStatus('b', true),
        withStatus('c', false),
        withStatus('a', true),
        targetPod('0-agent', { metadata: managed }),
      ],
    }));
    const found = await findTargets(cluster, { kind: 'deployment', name: 'web', container: undefined }, 'default');
    expect(found.map(({ target }) => target.pod)).toEqual(['a', 'b']);
  });

  it('many pages are read to the end', async () => {
    const pages = [withStatus('a', false), withStatus('b', false), withStatus('c', true)];
    api.on(`GET ${CORE}/pods`, ({ query }) => {
      const page = Number(query.get('continue') ?? 0);
      return { items: [pages[page]], metadata: page < 2 ? { continue: String(page + 1) } : {} };
    });
    expect((await find('label', 'app=web')).target.pod).toBe('c');
  });
});

describe('a target without pods says why', () => {
  it.each([
    [
      'a cron job that does not run now',
      'cronjob',
      `${BATCH}/cronjobs/web`,
      { ...workload, spec: { schedule: '0 4 * * *' } },
      /no job that runs now \(schedule "0 4/,
    ],
    [
      'a suspended cron job',
      'cronjob',
      `${BATCH}/cronjobs/web`,
      { ...workload, spec: { schedule: '*', suspend: true } },
      /suspended/,
    ],
    ['a service without a selector', 'service', `${CORE}/services/web`, { spec: {} }, /no selector/],
    [
      'a service for an outside name',
      'service',
      `${CORE}/services/web`,
      { spec: { type: 'ExternalName' } },
      /outside the cluster/,
    ],
    [
      'a set scaled to 0',
      'statefulset',
      `${APPS}/statefulsets/web`,
      { spec: { selector: { matchLabels: { app: 'none' } }, replicas: 0 } },
      /scaled to 0/,
    ],
    ['labels of nobody', 'label', `${CORE}/none`, {}, /label\/web has no pods|label\/web in namespace/],
  ] as const)('%s', async (_, kind, path, object, words) => {
    api.on(`GET ${path}`, () => object);
    api.on(`GET ${BATCH}/jobs`, () => ({ items: [] }));
    const error = await failure(find(kind));
    expect(error.code).toBe('TARGET_NOT_READY');
    expect(error.message).toMatch(words);
    expect(error.hint).toBeTruthy();
  });

  it('an operator that is not installed', async () => {
    api.on(`GET ${ARGO}/rollouts/web`, (_, response) => {
      response.writeHead(404, { 'content-type': 'text/plain' });
      response.end('404 page not found\n');
    });
    const error = await failure(find('rollout'));
    expect(error).toMatchObject({ code: 'TARGET_NOT_FOUND', message: expect.stringContaining('has no rollouts') });
    expect(error.hint).toContain('argoproj.io/v1alpha1');
  });

  it('a rollout that refers to something unknown', async () => {
    api.on(`GET ${ARGO}/rollouts/web`, () => ({ spec: { workloadRef: { kind: 'PodTemplate', name: 'x' } } }));
    expect((await failure(find('rollout'))).code).toBe('TARGET_KIND_UNSUPPORTED');
  });
});
