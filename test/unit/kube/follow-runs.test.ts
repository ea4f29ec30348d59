import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NamedTarget } from '../../../src/config/types';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { followTarget } from '../../../src/kube/follow-target';
import type { TargetPods } from '../../../src/kube/types';
import { ScriptedApi, startWatch, status } from '../../support/scripted-api';
import { targetPod } from '../../support/scripted-cluster';

const CRON = '/apis/batch/v1/namespaces/default/cronjobs/report';
let api: ScriptedApi;
let cluster: Cluster;
let stop: AbortController;
let pods: any[];
let jobs: any[];
let seen: TargetPods[];
let send: (type: string, object: unknown) => void;

beforeEach(async () => {
  api = await ScriptedApi.start();
  cluster = await openCluster({ kubeconfig: api.kubeconfig, context: undefined, acceptInvalidCertificates: false });
  stop = new AbortController();
  [pods, jobs, seen] = [[], [], []];
  api.on(`GET ${CRON}`, () => ({ metadata: { name: 'report', uid: 'cron' }, spec: { schedule: '* * * * *' } }));
  api.on('GET /apis/batch/v1/namespaces/default/jobs', () => ({ items: jobs }));
  api.on('GET /api/v1/namespaces/default/pods', ({ query }, response) => {
    if (query.get('watch') !== 'true') return { items: pods };
    send = startWatch(response);
    return undefined;
  });
});
afterEach(async () => {
  stop.abort();
  cluster.close();
  await api.stop();
});

const target = (kind: NamedTarget['kind'], name: string): NamedTarget => ({ kind, name, container: undefined });
const job = (name: string, minute: number) => ({
  metadata: {
    name,
    uid: `job-${name}`,
    creationTimestamp: `2026-01-01T00:0${minute}:00Z`,
    ownerReferences: [{ kind: 'CronJob', name: 'report', uid: 'cron' }],
  },
  spec: { selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': name } } },
  status: { active: 1 },
});
const podOf = (name: string, minute: number, changes: any = {}) =>
  targetPod(`pod-${name}-${minute}`, {
    metadata: { labels: { 'job-name': name }, creationTimestamp: `2026-01-01T00:0${minute}:00Z`, ...changes },
    status: { containerStatuses: [{ name: 'app', ready: true, containerID: `id-${name}`, state: { running: {} } }] },
  });
async function follow(of: NamedTarget): Promise<void> {
  void followTarget(cluster, of, 'default', (change) => seen.push(change), stop.signal).catch((error) =>
    seen.push(error),
  );
  await expect.poll(() => seen.length).toBeGreaterThan(0);
}
const last = () => {
  const { ready, staying } = seen.at(-1)!;
  return { ready: ready.map(({ pod }) => pod), staying: [...staying] };
};

it("the next run of a CronJob is seen, and one of another CronJob's is not", async () => {
  jobs = [job('report-100', 1)];
  pods = [podOf('report-100', 1), podOf('report-daily-7', 2), podOf('other-101', 2)];
  await follow(target('cronjob', 'report'));
  expect(last()).toEqual({ ready: ['pod-report-100-1'], staying: ['id-report-100'] });
  send('ADDED', podOf('report-101', 3));
  // Both run: what is at the first stays there, and the latest is the better one.
  await expect.poll(last).toEqual({ ready: ['pod-report-101-3'], staying: ['id-report-101', 'id-report-100'] });
  send('MODIFIED', podOf('report-100', 1, { deletionTimestamp: '2026-01-01T00:04:00Z' }));
  await expect.poll(last).toEqual({ ready: ['pod-report-101-3'], staying: ['id-report-101'] });
});

it('a CronJob is followed while none of its jobs runs, and a job that was made of it by hand counts when it is the latest', async () => {
  await follow(target('cronjob', 'report'));
  expect(last()).toEqual({ ready: [], staying: [] });
  send('ADDED', podOf('by-hand', 1));
  send('ADDED', podOf('report-102', 2));
  await expect.poll(last).toEqual({ ready: ['pod-report-102-2'], staying: ['id-report-102'] });
  jobs = [job('by-hand', 1)];
  stop.abort();
  stop = new AbortController();
  pods = [podOf('by-hand', 1)];
  seen = [];
  await follow(target('cronjob', 'report'));
  expect(last().ready).toEqual(['pod-by-hand-1']);
});

it('a Job that is deleted and made again under its name is seen, without asking for the Job', async () => {
  pods = [podOf('import', 1)];
  await follow(target('job', 'import'));
  expect(last().ready).toEqual(['pod-import-1']);
  send('DELETED', podOf('import', 1));
  await expect.poll(last).toEqual({ ready: [], staying: [] });
  send('ADDED', podOf('import', 2, { uid: 'another' }));
  await expect.poll(() => last().ready).toEqual(['pod-import-2']);
  expect(api.count('GET', /jobs\/import/)).toBe(0);
});

it('a CronJob that may not be read is an error', async () => {
  api.on(`GET ${CRON}`, (_, response) => status(response, 403, 'Forbidden', 'no'));
  await follow(target('cronjob', 'report'));
  expect(seen).toEqual([expect.objectContaining({ code: 'FORBIDDEN' })]);
});
