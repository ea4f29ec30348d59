import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { humanDuration } from '../../../src/playground/api/columns/column';
import { podStatus } from '../../../src/playground/api/columns/pods';
import { type Cluster, startCluster } from './support';

let cluster: Cluster;
beforeEach(async () => {
  cluster = await startCluster();
});
afterEach(() => cluster.server.close());

const SECRETS = '/api/v1/namespaces/default/secrets';
const secret = (name: string) => ({ metadata: { name }, stringData: { key: 'value' } });

describe('a list', () => {
  it('comes in pages that join to the whole', async () => {
    for (const name of ['c', 'a', 'e', 'b', 'd']) await cluster.call('POST', SECRETS, { body: secret(name) });
    const names: string[] = [];
    let token = '';
    let pages = 0;
    do {
      const { json } = await cluster.call('GET', `${SECRETS}?limit=2${token && `&continue=${token}`}`);
      names.push(...json.items.map(({ metadata }: any) => metadata.name));
      token = json.metadata.continue ?? '';
      expect(json.metadata.remainingItemCount).toBe([3, 1, undefined][pages++]);
    } while (token);
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(pages).toBe(3);
  });

  it('keeps the values of a secret in base64', async () => {
    const { json, status } = await cluster.call('POST', SECRETS, { body: secret('a') });
    expect(status).toBe(201);
    expect(json).toMatchObject({ type: 'Opaque', data: { key: Buffer.from('value').toString('base64') } });
    expect(json.stringData).toBeUndefined();
  });

  it('can be answered in YAML', async () => {
    const { headers, text } = await cluster.call('GET', SECRETS, { headers: { accept: 'application/yaml' } });
    expect(headers['content-type']).toBe('application/yaml');
    expect(text).toMatch(/^kind: SecretList$/m);
  });

  it('of events is there in both of their groups', async () => {
    const about = cluster.store.get('namespaces', undefined, 'default')!;
    cluster.store.recordEvent(about, { type: 'Normal', reason: 'R', message: 'm', component: 'test' });
    const old = await cluster.call('GET', '/api/v1/namespaces/default/events?fieldSelector=reason%3DR');
    const fresh = await cluster.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events');
    expect(old.json.items[0]).toMatchObject({ message: 'm', involvedObject: { kind: 'Namespace' } });
    expect(fresh.json.items[0]).toMatchObject({ note: 'm', regarding: { kind: 'Namespace' } });
  });
});

describe('a dry run', () => {
  it('answers as if, and stores nothing', async () => {
    const body = {
      metadata: { name: 'x' },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
    };
    const { status, json } = await cluster.call('POST', '/apis/batch/v1/namespaces/default/jobs?dryRun=All', { body });
    expect(status).toBe(201);
    expect(json.spec.template.metadata.labels).toMatchObject({
      'job-name': 'x',
      'batch.kubernetes.io/job-name': 'x',
      'controller-uid': json.metadata.uid,
    });
    expect(json.metadata.resourceVersion).toBeUndefined();
    expect(cluster.store.list('jobs')).toEqual([]);
  });

  it('of a delete leaves the object', async () => {
    await cluster.call('POST', SECRETS, { body: secret('a') });
    expect((await cluster.call('DELETE', `${SECRETS}/a?dryRun=All`)).status).toBe(200);
    expect((await cluster.call('GET', `${SECRETS}/a`)).status).toBe(200);
  });
});

describe('a service', () => {
  it('gets an address of its own, and one that is taken is refused', async () => {
    const create = (name: string, spec: object = {}) =>
      cluster.call('POST', '/api/v1/namespaces/default/services', {
        body: { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } },
      });
    const first = (await create('a')).json.spec;
    expect(first.clusterIP).toMatch(/^10\.96\.\d+\.\d+$/);
    expect(first.ports).toEqual([{ port: 80, protocol: 'TCP', targetPort: 80 }]);
    expect((await create('b')).json.spec.clusterIP).not.toBe(first.clusterIP);
    expect((await create('c', { clusterIP: first.clusterIP })).status).toBe(422);
    expect((await create('d', { clusterIP: 'None' })).json.spec.clusterIPs).toEqual(['None']);
  });
});

describe('the deny list', () => {
  const put = (rules: unknown) =>
    cluster.call('POST', '/api/v1/namespaces/kube-system/configmaps', {
      body: {
        metadata: { name: 'playground-deny' },
        data: { rules: typeof rules === 'string' ? rules : JSON.stringify(rules) },
      },
    });
  const mayCreateJobs = async () => {
    const spec = { resourceAttributes: { verb: 'create', group: 'batch', resource: 'jobs', namespace: 'default' } };
    const { json } = await cluster.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      body: { spec },
    });
    return json.status.allowed;
  };

  it('is changed while the server runs, and can always be taken back', async () => {
    expect(await mayCreateJobs()).toBe(true);
    expect(
      (
        await put([
          { verb: 'create', resource: 'jobs' },
          { verb: 'delete', resource: 'configmaps' },
        ])
      ).status,
    ).toBe(201);
    expect(await mayCreateJobs()).toBe(false);
    const path = '/api/v1/namespaces/kube-system/configmaps';
    expect((await cluster.call('DELETE', `${path}/kube-root-ca.crt`)).status).toBe(403);
    expect((await cluster.call('DELETE', `${path}/playground-deny`)).status).toBe(200);
    expect(await mayCreateJobs()).toBe(true);
  });

  it.each(['{', '{}', '[{"verb":"get"}]'])('is refused when it cannot be read: %s', async (rules) => {
    expect((await put(rules)).status).toBe(422);
  });

  it('is asked in protobuf too, as kubectl does', async () => {
    await put([{ verb: 'create', resource: 'jobs', group: 'batch' }]);
    const field = (number: number, value: Buffer | string) => {
      const bytes = Buffer.from(value);
      return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
    };
    const resource = Buffer.concat([field(1, 'default'), field(2, 'create'), field(3, 'batch'), field(5, 'jobs')]);
    const body = Buffer.concat([Buffer.from('k8s\0'), field(2, field(2, field(1, resource)))]).toString('latin1');
    const { status, json } = await cluster.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      body,
      headers: { 'content-type': 'application/vnd.kubernetes.protobuf' },
    });
    expect(status).toBe(201);
    expect(json.status).toEqual({ allowed: false });
  });
});

describe('a body', () => {
  it('may have 3 MiB and no byte more', async () => {
    const body = (size: number) => {
      const [start, end] = ['{"metadata":{"name":"big"},"data":{"k":"', '"}}'];
      return start + 'x'.repeat(size - start.length - end.length) + end;
    };
    const path = '/api/v1/namespaces/default/configmaps';
    expect((await cluster.call('POST', path, { body: body(3 * 1024 * 1024) })).status).toBe(201);
    expect((await cluster.call('POST', path, { body: body(3 * 1024 * 1024 + 1) })).status).toBe(413);
  });
});

describe("a pod's word in the STATUS column", () => {
  const status = (state: object, extra: object = {}, metadata: object = {}) =>
    podStatus({
      metadata,
      spec: { initContainers: [{ name: 'i' }] },
      status: { phase: 'Running', containerStatuses: [{ name: 'c', ...state }], ...extra },
    } as any);
  const init = (state: object) => ({ phase: 'Pending', initContainerStatuses: [{ name: 'i', state }] });

  it.each([
    ['Running', status({ ready: true, state: { running: {} } })],
    ['CrashLoopBackOff', status({ state: { waiting: { reason: 'CrashLoopBackOff' } } })],
    ['Completed', status({ state: { terminated: { reason: 'Completed', exitCode: 0 } } })],
    ['ExitCode:3', status({ state: { terminated: { exitCode: 3 } } })],
    ['Signal:9', status({ state: { terminated: { exitCode: 137, signal: 9 } } })],
    ['Init:0/1', status({ state: { waiting: { reason: 'PodInitializing' } } }, init({ running: {} }))],
    ['Init:Error', status({}, init({ terminated: { reason: 'Error', exitCode: 1 } }))],
    ['Init:ImagePullBackOff', status({}, init({ waiting: { reason: 'ImagePullBackOff' } }))],
    ['Terminating', status({ state: { running: {} } }, {}, { deletionTimestamp: 'x' })],
    ['Succeeded', status({ state: {} }, { phase: 'Succeeded' }, { deletionTimestamp: 'x' })],
    ['Evicted', status({ state: {} }, { reason: 'Evicted', phase: 'Failed' })],
  ])('is %s', (expected, actual) => {
    expect(actual).toBe(expected);
  });
});

describe('an age', () => {
  it.each([
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [125, '2m5s'],
    [600, '10m'],
    [3 * 3600, '3h'],
    [3 * 3600 + 60, '3h1m'],
    [48 * 3600, '2d'],
    [49 * 3600, '2d1h'],
    [400 * 86_400, '400d'],
    [800 * 86_400, '2y70d'],
  ])('of %i seconds is %s', (seconds, expected) => {
    expect(humanDuration(seconds * 1000)).toBe(expected);
  });
});

describe('without a token', () => {
  it.each([
    ['/healthz', 200],
    ['/readyz', 200],
    ['/livez', 200],
    ['/version', 200],
    ['/api', 403],
    ['/apis', 403],
    ['/openapi/v3', 403],
    ['/api/v1/nodes', 403],
  ])('%s answers %i', async (path, status) => {
    const answer = await cluster.call('GET', path, { token: null });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.json.message).toContain('User "system:anonymous" cannot ');
  });
});
