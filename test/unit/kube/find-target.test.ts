import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { findTarget } from '../../../src/kube/find-target';
import { ScriptedApi, status } from '../../support/scripted-api';
import { targetPod } from '../../support/scripted-cluster';

const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
let api: ScriptedApi;
let cluster: Cluster;
beforeEach(async () => {
  api = await ScriptedApi.start();
  cluster = await openCluster({ kubeconfig: api.kubeconfig, context: undefined, acceptInvalidCertificates: false });
});
afterEach(async () => {
  cluster.close();
  await api.stop();
});

const find = (kind: 'pod' | 'deployment', name: string, container?: string) =>
  findTarget(cluster, { kind, name, container }, 'default');

async function failure(run: Promise<unknown>): Promise<any> {
  return run.then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => error,
  );
}

function deployment(pods: any[], spec: any = {}): void {
  api.on(`GET ${DEPLOYMENTS}/web`, () => ({
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, ...spec },
  }));
  api.on(`GET ${PODS}`, () => ({ items: pods }));
}

const born = (time: string, hash: string) => ({
  creationTimestamp: `2026-01-01T00:00:${time}Z`,
  labels: { 'pod-template-hash': hash },
});
const notReady = {
  containerStatuses: [{ name: 'app', ready: false, containerID: 'containerd://1', state: { running: {} } }],
};
const starting = {
  phase: 'Pending',
  containerStatuses: [{ name: 'app', state: { waiting: { reason: 'ImagePullBackOff', message: 'no image' } } }],
};

describe('of a deployment', () => {
  it('selects by all that its selector says', async () => {
    const matchExpressions = [
      { key: 'tier', operator: 'In', values: ['a', 'b'] },
      { key: 'old', operator: 'DoesNotExist' },
    ];
    deployment([targetPod('p')], { selector: { matchLabels: { app: 'web' }, matchExpressions } });
    await find('deployment', 'web');
    expect(api.requests.at(-1)!.query.get('labelSelector')).toBe('app=web,tier in (a,b),!old');
  });

  it('takes a ready pod of the newest template, and the same one each time', async () => {
    const pods = [
      targetPod('a-old', { metadata: born('09', 'old') }),
      targetPod('c-new', { metadata: born('30', 'new') }),
      targetPod('b-new', { metadata: born('31', 'new') }),
      targetPod('a-new-not-ready', { metadata: born('40', 'new'), status: notReady }),
    ];
    deployment(pods);
    expect((await find('deployment', 'web')).target.pod).toBe('b-new');
    deployment([...pods].reverse());
    expect((await find('deployment', 'web')).target.pod).toBe('b-new');
  });

  it('takes an old ready pod before a new one that is not ready, and leaves out those that are going', async () => {
    const going = targetPod('gone', { metadata: { ...born('50', 'new'), deletionTimestamp: 'now' } });
    const pods = [
      going,
      targetPod('new', { metadata: born('40', 'new'), status: notReady }),
      targetPod('old', { metadata: born('01', 'old') }),
    ];
    deployment(pods);
    expect((await find('deployment', 'web')).target.pod).toBe('old');
    deployment(pods.slice(0, 2));
    expect((await failure(find('deployment', 'web'))).code).toBe('TARGET_NOT_READY');
  });

  it('says of each pod why it cannot be the target', async () => {
    deployment([targetPod('p1', { status: starting }), targetPod('p2', { metadata: { deletionTimestamp: 'now' } })]);
    const error = await failure(find('deployment', 'web'));
    expect(error.code).toBe('TARGET_NOT_READY');
    expect(error.message).toMatch(
      /p1: Pending; container "app" is waiting: ImagePullBackOff: no image\n.*p2: being deleted/,
    );
  });

  it('says when it has no pods because it is scaled to 0', async () => {
    deployment([], { replicas: 0 });
    const error = await failure(find('deployment', 'web'));
    expect(error).toMatchObject({ code: 'TARGET_NOT_READY', hint: expect.stringContaining('--replicas=1') });
    expect(error.message).toContain('scaled to 0');
  });
});

describe('of a pod', () => {
  const sidecar = {
    spec: {
      nodeName: 'n',
      containers: [
        { name: 'istio-proxy', ports: [{ containerPort: 15_001 }] },
        {
          name: 'app',
          ports: [{ containerPort: 8080 }, { containerPort: 53, protocol: 'UDP' }],
          volumeMounts: [
            { name: 'v', mountPath: '/etc/app' },
            { name: 'v', mountPath: '/etc/one.json', subPath: 'one.json' },
          ],
        },
        { name: 'other' },
      ],
    },
  };

  it('takes one that runs without being ready, when it is named itself', async () => {
    api.on(`GET ${PODS}/p`, () => targetPod('p', { status: notReady }));
    expect((await find('pod', 'p')).target.reason).toBe('as named, running, not ready');
  });

  it('chooses the first container that is no sidecar, and says that it guessed', async () => {
    api.on(`GET ${PODS}/p`, () => targetPod('p', sidecar));
    const { target, guessed } = await find('pod', 'p');
    expect(guessed).toBe(true);
    expect(target).toMatchObject({
      container: 'app',
      containerId: 'containerd://0123abcd',
      podIP: '10.0.0.7',
      ports: [15_001, 8080],
      volumeMounts: [
        { path: '/etc/app', subPath: false },
        { path: '/etc/one.json', subPath: true },
      ],
    });
  });

  it('obeys the annotation of the pod, and the target before that', async () => {
    const annotations = { 'kubectl.kubernetes.io/default-container': 'other' };
    const statuses = ['app', 'other'].map((name) => ({
      name,
      ready: true,
      containerID: `containerd://${name}`,
      state: { running: {} },
    }));
    api.on(`GET ${PODS}/p`, () =>
      targetPod('p', { ...sidecar, metadata: { annotations }, status: { containerStatuses: statuses } }),
    );
    expect(await find('pod', 'p')).toMatchObject({
      guessed: false,
      target: { container: 'other', containerId: 'containerd://other' },
    });
    expect(await find('pod', 'p', 'app')).toMatchObject({ guessed: false, target: { container: 'app' } });
  });

  it('lists the containers when the named one is not there', async () => {
    api.on(`GET ${PODS}/p`, () => targetPod('p', sidecar));
    const error = await failure(find('pod', 'p', 'ap'));
    expect(error.code).toBe('CONTAINER_NOT_FOUND');
    expect(error.message).toContain('Did you mean "app"?');
    expect(error.hint).toContain('istio-proxy, app, other');
  });
});

describe('that is not there', () => {
  it('is suggested by a near name', async () => {
    api.on(`GET ${DEPLOYMENTS}`, () => ({
      items: ['reviews', 'mirrord-agent-reveiw', 'ratings'].map((name) => ({ metadata: { name } })),
    }));
    const error = await failure(find('deployment', 'reveiws'));
    expect(error.code).toBe('TARGET_NOT_FOUND');
    expect(error.message).toContain('Did you mean "deployment/reviews"?');
    expect(error.hint).toContain('are: reviews, ratings.');
  });

  it('is said without a suggestion when listing is forbidden', async () => {
    api.on(`GET ${PODS}`, (_, response) => status(response, 403, 'Forbidden', 'no'));
    const error = await failure(find('pod', 'p'));
    expect(error.code).toBe('TARGET_NOT_FOUND');
    expect(error.hint).toContain('MIRRORD_TARGET_NAMESPACE');
  });
});
