import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NamedTarget } from '../../../src/config/types';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { followTarget } from '../../../src/kube/follow-target';
import type { TargetPods } from '../../../src/kube/types';
import { ScriptedApi, startWatch, status } from '../../support/scripted-api';
import { targetPod } from '../../support/scripted-cluster';

const CORE = '/api/v1/namespaces/default';
const WEB = '/apis/apps/v1/namespaces/default/deployments/web';
let api: ScriptedApi;
let cluster: Cluster;
let stop: AbortController;
let pods: any[];
let watches: ((type: string, object: unknown) => void)[];
let open: ServerResponse[];
let seen: TargetPods[];

beforeEach(async () => {
  api = await ScriptedApi.start();
  cluster = await openCluster({ kubeconfig: api.kubeconfig, context: undefined, acceptInvalidCertificates: false });
  stop = new AbortController();
  [pods, watches, open, seen] = [[], [], [], []];
  api.on(`GET ${WEB}`, () => ({ metadata: { name: 'web' }, spec: { selector: { matchLabels: { app: 'web' } } } }));
  api.on(`GET ${CORE}/pods`, ({ query }, response) => {
    if (query.get('watch') !== 'true') return { items: pods };
    const send = startWatch(response);
    // As the server does without a version: one after the other.
    for (const pod of pods) send('ADDED', pod);
    watches.push(send);
    open.push(response);
    return undefined;
  });
});
afterEach(async () => {
  stop.abort();
  cluster.close();
  await api.stop();
});

const target = (kind: NamedTarget['kind'], name = 'web'): NamedTarget => ({ kind, name, container: undefined });
const follow = (of = target('deployment')) =>
  followTarget(cluster, of, 'default', (change) => seen.push(change), stop.signal);

function pod(name: string, { ready = true, id = name, leaving = false, running = true } = {}): any {
  const state = running ? { running: {} } : { terminated: { exitCode: 1 } };
  return targetPod(name, {
    metadata: { ...(leaving && { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
    status: { containerStatuses: [{ name: 'app', ready, containerID: `containerd://${id}`, state }] },
  });
}

const last = () => {
  const { ready, staying, names } = seen.at(-1)!;
  return { ready: ready.map((found) => found.pod), staying: [...staying], names: [...names] };
};
const id = (name: string) => `containerd://${name}`;

describe('the pods of a target that is followed', () => {
  it('are told whole at first, never one after the other as if the others had gone', async () => {
    pods = [pod('a'), pod('b'), pod('c')];
    void follow();
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    for (const { staying } of seen) expect(staying.size).toBe(3);
  });

  it('stay while their container runs, ready or not, until they are being deleted', async () => {
    pods = [pod('a'), pod('b', { ready: false }), pod('c', { leaving: true }), pod('d', { running: false })];
    void follow();
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    expect(last()).toEqual({ ready: ['a'], staying: [id('a'), id('b')], names: ['a', 'b', 'd'] });
    watches[0]!('MODIFIED', pod('a', { leaving: true }));
    await expect.poll(last).toEqual({ ready: [], staying: [id('b')], names: ['b', 'd'] });
    watches[0]!('MODIFIED', pod('b', { id: 'b-again' }));
    await expect.poll(last).toEqual({ ready: ['b'], staying: [id('b-again')], names: ['b', 'd'] });
  });

  it('are told by a watch that was opened anew, with what was deleted meanwhile', async () => {
    pods = [pod('a'), pod('b')];
    void follow();
    await expect.poll(() => watches.length).toBe(1);
    pods = [pod('b')];
    open[0]!.end();
    await expect.poll(() => watches.length).toBe(2);
    await expect.poll(() => last().names).toEqual(['b']);
  });

  it('named themselves are followed even when there is none', async () => {
    void follow(target('pod', 'web-1'));
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    expect(last()).toEqual({ ready: [], staying: [], names: [] });
    expect(api.requests.at(-1)!.query.get('fieldSelector')).toBe('metadata.name=web-1');
    watches[0]!('ADDED', pod('web-1', { ready: false }));
    await expect.poll(() => last().ready).toEqual(['web-1']);
  });

  it('that may not be watched are an error', async () => {
    const words = 'pods is forbidden: User "u" cannot watch resource "pods" in API group "" in the namespace "default"';
    api.on(`GET ${CORE}/pods`, (_, response) => status(response, 403, 'Forbidden', words));
    await expect(follow()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('end the watch with the session', async () => {
    const followed = follow();
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    stop.abort();
    await followed;
  });
});
