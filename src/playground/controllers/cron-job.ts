import { randomUUID } from 'node:crypto';
import { defaultJob } from '../defaults/workloads';
import { thaw, timestamp } from '../freeze';
import type { KubeObject, Store } from '../types';
import { type Controller, ownerKey } from './controller';
import { nextRun, parseSchedule } from './cron-schedule';
import { finishedAt } from './job-status';
import { listOwned, ownerReference, updateStatus } from './owned';

const COMPONENT = 'cronjob-controller';
// A run that was missed by more than this, as while the machine slept, is left out.
const MAX_LATE_MS = 60_000;

export const cronJobController: Controller = {
  name: COMPONENT,
  resource: 'cronjobs',
  watches: { jobs: ownerKey('CronJob') },
  reconcile(store, cronJob) {
    if (cronJob.metadata.deletionTimestamp) return undefined;
    prune(store, cronJob);
    const active = listOwned(store, 'jobs', cronJob).filter((job) => finishedAt(job) === undefined);
    reportActive(store, cronJob, active);
    const schedule = parseSchedule(cronJob.spec.schedule);
    if (cronJob.spec.suspend || !schedule) return undefined;

    const last = cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp;
    const due = nextRun(schedule, Math.max(Date.parse(last), Date.now() - MAX_LATE_MS));
    if (due === undefined) return undefined;
    if (due > Date.now()) return due - Date.now();
    if (mayStart(store, cronJob, active)) startRun(store, cronJob, due);
    updateStatus(store, 'cronjobs', cronJob, { lastScheduleTime: timestamp(due) });
    return 1000;
  },
};

function mayStart(store: Store, { spec }: KubeObject, active: KubeObject[]): boolean {
  if (active.length === 0 || spec.concurrencyPolicy === 'Allow') return true;
  if (spec.concurrencyPolicy !== 'Replace') return false;
  for (const { metadata } of active) store.delete('jobs', metadata.namespace, metadata.name);
  return true;
}

function startRun(store: Store, cronJob: KubeObject, due: number): void {
  const { metadata = {}, spec } = thaw(cronJob.spec.jobTemplate);
  const name = `${cronJob.metadata.name}-${Math.floor(due / 60_000)}`;
  if (store.get('jobs', cronJob.metadata.namespace, name)) return;
  const job: any = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...metadata,
      name,
      namespace: cronJob.metadata.namespace,
      uid: randomUUID(),
      ownerReferences: [ownerReference(cronJob)],
    },
    spec,
  };
  defaultJob(job, true);
  store.create('jobs', job);
  store.recordEvent(cronJob, {
    type: 'Normal',
    reason: 'SuccessfulCreate',
    message: `Created job ${name}`,
    component: COMPONENT,
  });
}

function reportActive(store: Store, cronJob: KubeObject, active: KubeObject[]): void {
  const references = active.map(({ apiVersion, kind, metadata: { name, namespace, uid } }) => ({
    apiVersion,
    kind,
    name,
    namespace,
    uid,
  }));
  updateStatus(store, 'cronjobs', cronJob, { active: references.length > 0 ? references : undefined });
}

function prune(store: Store, cronJob: KubeObject): void {
  const finished = listOwned(store, 'jobs', cronJob).filter((job) => finishedAt(job) !== undefined);
  const isFailed = (job: KubeObject) => job.status.conditions.some((condition: any) => condition.type === 'Failed');
  const limits: [KubeObject[], number][] = [
    [finished.filter(isFailed), cronJob.spec.failedJobsHistoryLimit ?? 1],
    [finished.filter((job) => !isFailed(job)), cronJob.spec.successfulJobsHistoryLimit ?? 3],
  ];
  for (const [jobs, limit] of limits) {
    const oldest = jobs.sort((a, b) => finishedAt(a)! - finishedAt(b)!).slice(0, Math.max(0, jobs.length - limit));
    for (const { metadata } of oldest) store.delete('jobs', metadata.namespace, metadata.name);
  }
}
