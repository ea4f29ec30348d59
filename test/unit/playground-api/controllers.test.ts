import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startControllers } from '../../../src/playground/controllers';
import { nextRun, parseSchedule } from '../../../src/playground/controllers/cron-schedule';
import type { KubeObject } from '../../../src/playground/types';
import { type Fate, startFakeKubelet } from './fake-kubelet';
import { type Cluster, startCluster } from './support';

let cluster: Cluster;
let fate: (pod: KubeObject) => Fate;
const stops: (() => void)[] = [];
beforeEach(async () => {
  cluster = await startCluster();
  fate = () => 'ready';
  stops.push(
    startFakeKubelet(cluster.store, (pod) => fate(pod)),
    startControllers(cluster).stop,
  );
});
afterEach(async () => {
  for (const stop of stops.splice(0)) stop();
  await cluster.server.close();
});

const template = (image = 'i:1', labels: object = { app: 'web' }) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
});
const workload = (kind: string, spec: object) => ({
  kind,
  metadata: { name: 'web' },
  spec: { selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
});
const path = (group: string, plural: string) => `/apis/${group}/v1/namespaces/default/${plural}`;
const pods = () => cluster.store.list('pods', 'default');
const get = (plural: string, name = 'web') => cluster.store.get(plural, 'default', name);
const patch = (url: string, body: object) =>
  cluster.call('PATCH', url, { body, headers: { 'content-type': 'application/strategic-merge-patch+json' } });

async function create(url: string, body: object): Promise<any> {
  const { status, json } = await cluster.call('POST', url, { body });
  expect(json.message).toBeUndefined();
  expect(status).toBe(201);
  return json;
}

describe('a Deployment', () => {
  const URL = path('apps', 'deployments');
  const isSettled = (replicas: number) => () => {
    const { metadata, status } = get('deployments')!;
    return (
      status?.observedGeneration === metadata.generation &&
      status.availableReplicas === replicas &&
      status.updatedReplicas === replicas &&
      status.replicas === replicas
    );
  };

  it('becomes a ReplicaSet and its pods, and says when it is available', async () => {
    await create(URL, workload('Deployment', { replicas: 3 }));
    await expect.poll(isSettled(3)).toBe(true);
    const [set] = cluster.store.list('replicasets');
    expect(set!.metadata.ownerReferences![0]).toMatchObject({ kind: 'Deployment', name: 'web', controller: true });
    expect(pods().map(({ metadata }) => metadata.labels!['pod-template-hash'])).toEqual(
      Array(3).fill(set!.metadata.labels!['pod-template-hash']),
    );
    const conditions = get('deployments')!.status.conditions.map(({ type, status, reason }: any) => [
      type,
      status,
      reason,
    ]);
    expect(conditions).toEqual([
      ['Available', 'True', 'MinimumReplicasAvailable'],
      ['Progressing', 'True', 'NewReplicaSetAvailable'],
    ]);
  });

  it('rolls out without ever having too few available pods, and keeps the old set to go back to', async () => {
    await create(URL, workload('Deployment', { replicas: 4 }));
    await expect.poll(isSettled(4)).toBe(true);
    let fewest = 4;
    let most = 4;
    stops.push(
      cluster.store.subscribe('pods', () => {
        const active = pods().filter(({ metadata }) => !metadata.deletionTimestamp);
        fewest = Math.min(fewest, active.filter(({ status }) => status?.phase === 'Running').length);
        most = Math.max(most, active.length);
      }),
    );
    await patch(`${URL}/web`, { spec: { template: { spec: { containers: [{ name: 'c', image: 'i:2' }] } } } });
    await expect.poll(isSettled(4), { timeout: 5000 }).toBe(true);
    expect(pods().every(({ spec }) => spec.containers[0].image === 'i:2')).toBe(true);
    expect(fewest).toBeGreaterThanOrEqual(3);
    expect(most).toBeLessThanOrEqual(5);
    expect(get('deployments')!.metadata.annotations!['deployment.kubernetes.io/revision']).toBe('2');

    await patch(`${URL}/web`, { spec: { template: { spec: { containers: [{ name: 'c', image: 'i:1' }] } } } });
    await expect.poll(isSettled(4), { timeout: 5000 }).toBe(true);
    expect(cluster.store.list('replicasets')).toHaveLength(2);
    expect(get('deployments')!.metadata.annotations!['deployment.kubernetes.io/revision']).toBe('3');
  });

  it('is scaled through its subresource', async () => {
    await create(URL, workload('Deployment', { replicas: 1 }));
    await patch(`${URL}/web/scale`, { spec: { replicas: 3 } });
    await expect.poll(isSettled(3)).toBe(true);
    await patch(`${URL}/web/scale`, { spec: { replicas: 0 } });
    await expect.poll(() => pods().length).toBe(0);
  });

  it('stops the old pods before it starts new ones when told to recreate', async () => {
    await create(URL, workload('Deployment', { replicas: 2, strategy: { type: 'Recreate' } }));
    await expect.poll(isSettled(2)).toBe(true);
    let mixed = false;
    stops.push(
      cluster.store.subscribe('pods', () => {
        mixed ||= new Set(pods().map(({ spec }) => spec.containers[0].image)).size > 1;
      }),
    );
    await patch(`${URL}/web`, { spec: { template: { spec: { containers: [{ name: 'c', image: 'i:2' }] } } } });
    await expect.poll(isSettled(2)).toBe(true);
    expect(mixed).toBe(false);
  });

  it('replaces a pod that is deleted, and takes everything with it in the end', async () => {
    await create(URL, workload('Deployment', { replicas: 2 }));
    await expect.poll(isSettled(2)).toBe(true);
    const [victim] = pods();
    cluster.store.delete('pods', 'default', victim!.metadata.name);
    await expect
      .poll(() => pods().length === 2 && !pods().some(({ metadata }) => metadata.uid === victim!.metadata.uid))
      .toBe(true);
    await cluster.call('DELETE', `${URL}/web`);
    await expect.poll(() => [pods().length, cluster.store.list('replicasets').length]).toEqual([0, 0]);
  });

  it('leaves its pods when they are to be orphaned', async () => {
    await create(URL, workload('Deployment', { replicas: 1 }));
    await expect.poll(isSettled(1)).toBe(true);
    await cluster.call('DELETE', `${URL}/web?propagationPolicy=Orphan`);
    expect(get('deployments')).toBeUndefined();
    expect(cluster.store.list('replicasets')[0]!.metadata.ownerReferences).toBeUndefined();
    expect(pods()).toHaveLength(1);
  });

  it('goes last when deleted in the foreground', async () => {
    await create(URL, workload('Deployment', { replicas: 2 }));
    await expect.poll(isSettled(2)).toBe(true);
    const gone: string[] = [];
    stops.push(cluster.store.subscribe('*', ({ type, object }) => void (type === 'DELETED' && gone.push(object.kind))));
    const { json } = await cluster.call('DELETE', `${URL}/web?propagationPolicy=Foreground`);
    expect(json.metadata.finalizers).toEqual(['foregroundDeletion']);
    await expect.poll(() => gone).toEqual(['Pod', 'Pod', 'ReplicaSet', 'Deployment']);
  });
});

describe('a StatefulSet', () => {
  it('starts its pods in order, each when the one before is ready, and updates them from the last', async () => {
    await create(path('apps', 'statefulsets'), workload('StatefulSet', { replicas: 3, serviceName: 'web' }));
    const order: string[] = [];
    stops.push(
      cluster.store.subscribe(
        'pods',
        ({ type, object }) => void (type === 'ADDED' && order.push(object.metadata.name)),
      ),
    );
    await expect.poll(() => get('statefulsets')!.status?.readyReplicas).toBe(3);
    expect(pods().map(({ metadata, spec }) => [metadata.name, spec.hostname, spec.subdomain])).toEqual(
      [0, 1, 2].map((index) => [`web-${index}`, `web-${index}`, 'web']),
    );
    order.length = 0;
    await patch(`${path('apps', 'statefulsets')}/web`, {
      spec: { template: { spec: { containers: [{ name: 'c', image: 'i:2' }] } } },
    });
    await expect.poll(() => order, { timeout: 5000 }).toEqual(['web-2', 'web-1', 'web-0']);
    await expect
      .poll(() => get('statefulsets')!.status.currentRevision === get('statefulsets')!.status.updateRevision)
      .toBe(true);
  });
});

describe('a DaemonSet', () => {
  it('has a pod on the node', async () => {
    cluster.store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'playground' } });
    await create(path('apps', 'daemonsets'), workload('DaemonSet', {}));
    await expect.poll(() => get('daemonsets')!.status?.numberReady).toBe(1);
    expect(pods()[0]!.spec.nodeName).toBe('playground');
  });
});

describe('a Job', () => {
  const URL = path('batch', 'jobs');
  const job = (spec: object = {}) => ({
    metadata: { name: 'web' },
    spec: {
      backoffLimit: 0,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
      ...spec,
    },
  });
  const conditions = () => get('jobs')?.status?.conditions?.map(({ type, reason }: any) => [type, reason]);

  it('labels its pods both ways and completes when they succeed', async () => {
    fate = () => 0;
    const { metadata } = await create(URL, job({ completions: 3, parallelism: 2 }));
    await expect.poll(conditions).toEqual([
      ['SuccessCriteriaMet', 'CompletionsReached'],
      ['Complete', 'CompletionsReached'],
    ]);
    expect(get('jobs')!.status).toMatchObject({ succeeded: 3, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
    expect(get('jobs')!.status.active).toBeUndefined();
    expect(pods()[0]!.metadata.labels).toEqual({
      'batch.kubernetes.io/controller-uid': metadata.uid,
      'batch.kubernetes.io/job-name': 'web',
      'controller-uid': metadata.uid,
      'job-name': 'web',
    });
    expect(pods().every(({ metadata: { finalizers } }) => finalizers === undefined)).toBe(true);
  });

  it('fails at its backoff limit', async () => {
    fate = () => 1;
    await create(URL, job());
    await expect.poll(conditions).toEqual([
      ['FailureTarget', 'BackoffLimitExceeded'],
      ['Failed', 'BackoffLimitExceeded'],
    ]);
    expect(get('jobs')!.status.failed).toBe(1);
    expect(cluster.store.list('events').map(({ reason }) => reason)).toContain('BackoffLimitExceeded');
  });

  it('waits before it tries again', async () => {
    fate = () => 1;
    await create(URL, job({ backoffLimit: 3 }));
    await expect.poll(() => get('jobs')!.status?.failed).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(pods()).toHaveLength(1);
  });

  it('fails at its deadline and stops its pods', async () => {
    await create(URL, job({ activeDeadlineSeconds: 1 }));
    await expect.poll(conditions, { timeout: 4000 }).toEqual([
      ['FailureTarget', 'DeadlineExceeded'],
      ['Failed', 'DeadlineExceeded'],
    ]);
    expect(pods()).toEqual([]);
  });

  it('is removed with its pods when its time to live is over', async () => {
    fate = () => 0;
    await create(URL, job({ ttlSecondsAfterFinished: 1 }));
    await expect.poll(conditions).toHaveLength(2);
    expect(pods()).toHaveLength(1);
    await expect.poll(() => [get('jobs'), pods().length], { timeout: 4000 }).toEqual([undefined, 0]);
  });

  it('takes its running pod with it in the background, and leaves it when nothing is said', async () => {
    await create(URL, job());
    await expect.poll(() => pods()[0]?.status?.phase).toBe('Running');
    await cluster.call('DELETE', `${URL}/web?propagationPolicy=Background`);
    await expect.poll(() => pods().length).toBe(0);

    await create(URL, job());
    await expect.poll(() => pods()[0]?.status?.phase).toBe('Running');
    const { headers } = await cluster.call('DELETE', `${URL}/web`);
    expect(headers.warning).toContain('child pods are preserved by default');
    await expect
      .poll(() => [get('jobs'), pods()[0]?.metadata.ownerReferences, pods()[0]?.metadata.finalizers])
      .toEqual([undefined, undefined, undefined]);
    expect(pods()).toHaveLength(1);
  });
});

describe('a service', () => {
  it('lists the pods that are ready, by the port they name', async () => {
    fate = ({ metadata }) => (metadata.name === 'slow' ? 'pending' : 'ready');
    await create('/api/v1/namespaces/default/services', {
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    });
    for (const name of ['one', 'slow', 'other']) {
      const { spec } = template();
      await create('/api/v1/namespaces/default/pods', {
        metadata: { name, labels: { app: name === 'other' ? 'x' : 'web' } },
        spec,
      });
    }
    const addresses = () => get('endpoints')?.subsets?.[0]?.addresses?.map(({ targetRef }: any) => targetRef.name);
    await expect.poll(addresses).toEqual(['one']);
    expect(get('endpoints')!.subsets[0].ports).toEqual([{ port: 8080, protocol: 'TCP' }]);
    const [slice] = cluster.store.list('endpointslices');
    expect(slice!.endpoints[0].conditions).toEqual({ ready: true, serving: true, terminating: false });

    await cluster.call('DELETE', '/api/v1/namespaces/default/services/web');
    await expect.poll(() => [get('endpoints'), cluster.store.list('endpointslices').length]).toEqual([undefined, 0]);
  });
});

describe('a namespace', () => {
  it('has a service account and the root certificate, and takes all with it when it goes', async () => {
    await create('/api/v1/namespaces', { metadata: { name: 'n2' } });
    await expect.poll(() => cluster.store.get('serviceaccounts', 'n2', 'default')).toBeDefined();
    expect(cluster.store.get('configmaps', 'n2', 'kube-root-ca.crt')!.data['ca.crt']).toContain('BEGIN CERTIFICATE');
    await create('/api/v1/namespaces/n2/pods', { metadata: { name: 'p' }, spec: template().spec });
    await expect.poll(() => cluster.store.get('pods', 'n2', 'p')!.status.phase).toBe('Running');
    const { json } = await cluster.call('DELETE', '/api/v1/namespaces/n2');
    expect(json.kind).toBe('Namespace');
    await expect.poll(() => cluster.store.get('namespaces', undefined, 'n2')).toBeUndefined();
    expect(cluster.store.list('pods', 'n2')).toEqual([]);
  });
});

describe('a cron schedule', () => {
  const at = (text: string) => Date.parse(`${text}Z`);

  it.each([
    ['*/15 * * * *', '2026-01-01T10:03:20', '2026-01-01T10:15:00'],
    ['0 9-17/4 * * 1-5', '2026-01-02T17:00:00', '2026-01-05T09:00:00'],
    ['30 2 29 2 *', '2027-03-01T00:00:00', '2028-02-29T02:30:00'],
    ['0 0 1 * 0', '2026-01-01T00:00:00', '2026-01-04T00:00:00'],
    ['@hourly', '2026-01-01T10:00:00', '2026-01-01T11:00:00'],
  ])('%s after %s is %s', (text, after, expected) => {
    expect(new Date(nextRun(parseSchedule(text)!, at(after))!).toISOString()).toBe(`${expected}.000Z`);
  });

  it.each(['* * * *', '60 * * * *', '* * * * mon', '*/0 * * * *', '5-1 * * * *', ''])('%j is none', (text) => {
    expect(parseSchedule(text)).toBeUndefined();
  });
});
