import { timestamp } from '../freeze';
import type { KubeObject, Store } from '../types';
import { type Controller, keyOf, ownerKey, type Requeue } from './controller';
import { addCondition, finishedAt, hasCondition, type JobStatus } from './job-status';
import { countFinished, dropStrayFinalizers, TRACKING } from './job-tracking';
import { listOwned } from './owned';
import { createPod, deletePod, isActive, isReady } from './pods';

const COMPONENT = 'job-controller';
const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 360_000;

export const jobController: Controller = {
  name: COMPONENT,
  resource: 'jobs',
  watches: { pods: ownerKey('Job') },
  reconcile(store, job) {
    if (finishedAt(job) === undefined && !job.metadata.deletionTimestamp) return work(store, job);
    // Nothing is started any more, but pods that end are still let go.
    countFinished(store, job, { ...job.status });
    return finishedAt(job) === undefined ? undefined : expire(store, job);
  },
  cleanUp: (store, { namespace }) => dropStrayFinalizers(store, namespace),
};

/** One pass: count what has ended, judge, then start or stop pods, and write the status once. */
function work(store: Store, job: KubeObject): Requeue {
  const status: JobStatus = structuredClone(job.status ?? {});
  status.startTime ??= job.spec.suspend ? undefined : timestamp();
  countFinished(store, job, status);
  const pods = listOwned(store, 'pods', job);
  const active = pods.filter(isActive);
  const succeeded = status.succeeded ?? 0;

  let wait: Requeue;
  if (hasCondition(status, 'FailureTarget')) stopAll(store, job, active);
  else if (isComplete(job, succeeded, active.length)) {
    addCondition(status, 'SuccessCriteriaMet', 'CompletionsReached', 'Reached expected number of succeeded pods');
    stopAll(store, job, active);
  } else {
    const failure = findFailure(job, status, pods);
    if (failure) {
      addCondition(status, 'FailureTarget', failure.reason, failure.message);
      stopAll(store, job, active);
    } else wait = adjust(store, job, status, active);
  }
  close(store, job, status);
  report(store, job, status);
  return wait;
}

function isComplete({ spec }: KubeObject, succeeded: number, active: number): boolean {
  // Without a number of completions, the first success ends it as soon as the others are done.
  return spec.completions === undefined ? succeeded > 0 && active === 0 : succeeded >= spec.completions;
}

function findFailure(
  { spec }: KubeObject,
  status: JobStatus,
  pods: KubeObject[],
): { reason: string; message: string } | undefined {
  const restarts = pods
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .reduce((sum: number, container: any) => sum + (container.restartCount ?? 0), 0);
  const isOnFailure = spec.template.spec.restartPolicy === 'OnFailure';
  const failures = (status.failed ?? 0) + (isOnFailure ? restarts : 0);
  const isOver = isOnFailure && spec.backoffLimit === 0 ? failures > 0 : failures > spec.backoffLimit;
  if (isOver) return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  if (untilDeadline(spec, status) === 0) {
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  return undefined;
}

function untilDeadline({ activeDeadlineSeconds }: any, { startTime }: JobStatus): number | undefined {
  if (activeDeadlineSeconds === undefined || !startTime) return undefined;
  return Math.max(0, Date.parse(startTime) + activeDeadlineSeconds * 1000 - Date.now());
}

function adjust(store: Store, job: KubeObject, status: JobStatus, active: KubeObject[]): Requeue {
  const deadline = untilDeadline(job.spec, status);
  if (job.spec.suspend) {
    stopAll(store, job, active);
    return deadline;
  }
  const { completions, parallelism = 1 } = job.spec;
  const remaining = completions === undefined ? parallelism : completions - (status.succeeded ?? 0);
  // A job that takes work from a queue starts nothing new after its first success.
  const isDraining = completions === undefined && (status.succeeded ?? 0) > 0;
  const wanted = isDraining ? active.length : Math.min(parallelism, remaining);
  const backoff = wanted > active.length ? untilRetry(store, job, status) : 0;
  if (backoff > 0) return Math.min(backoff, deadline ?? backoff);
  for (let count = active.length; count < wanted; count++) {
    createPod(store, job, job.spec.template, { component: COMPONENT, finalizers: [TRACKING] });
  }
  for (const pod of active.slice(Math.max(0, wanted))) deletePod(store, job, pod, COMPONENT);
  return deadline;
}

/** After a failure the next pod waits 10 s, then twice as long each time. */
function untilRetry(store: Store, job: KubeObject, { failed = 0 }: JobStatus): number {
  if (failed === 0) return 0;
  const ends = listOwned(store, 'pods', job)
    .filter((pod) => pod.status?.phase === 'Failed')
    .flatMap((pod) => pod.status.containerStatuses ?? [])
    .map((container: any) => Date.parse(container.state?.terminated?.finishedAt ?? ''))
    .filter((time: number) => !Number.isNaN(time));
  if (ends.length === 0) return 0;
  const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** (failed - 1), MAX_BACKOFF_MS);
  return Math.max(0, Math.max(...ends) + backoff - Date.now());
}

function stopAll(store: Store, job: KubeObject, active: KubeObject[]): void {
  for (const pod of active) deletePod(store, job, pod, COMPONENT);
}

/** The final condition comes only when no pod of the job runs any more. */
function close(store: Store, job: KubeObject, status: JobStatus): void {
  const isRunning = listOwned(store, 'pods', job).some((pod) => pod.metadata.finalizers?.includes(TRACKING));
  const target = status.conditions?.find(({ type }) => type === 'FailureTarget' || type === 'SuccessCriteriaMet');
  if (!target || isRunning) return;
  if (target.type === 'FailureTarget') {
    addCondition(status, 'Failed', target.reason, target.message);
    store.recordEvent(job, { type: 'Warning', reason: target.reason, message: target.message, component: COMPONENT });
  } else {
    status.completionTime = timestamp();
    addCondition(status, 'Complete', target.reason, target.message);
    store.recordEvent(job, { type: 'Normal', reason: 'Completed', message: 'Job completed', component: COMPONENT });
  }
}

function report(store: Store, job: KubeObject, status: JobStatus): void {
  const pods = listOwned(store, 'pods', job);
  const active = pods.filter(isActive);
  status.active = active.length || undefined;
  status.ready = active.filter(isReady).length;
  status.terminating = pods.filter(
    (pod) => pod.metadata.deletionTimestamp && pod.metadata.finalizers?.includes(TRACKING),
  ).length;
  status.uncountedTerminatedPods = {};
  const { namespace, name } = keyOf(job);
  store.mutate('jobs', namespace, name, (target) => {
    target.status = JSON.parse(JSON.stringify(status));
  });
}

/** Removes a finished job when its time to live is over. */
function expire(store: Store, job: KubeObject): Requeue {
  const ttl: number | undefined = job.spec.ttlSecondsAfterFinished;
  if (ttl === undefined || job.metadata.deletionTimestamp) return undefined;
  const wait = finishedAt(job)! + ttl * 1000 - Date.now();
  if (wait > 0) return wait;
  store.delete('jobs', job.metadata.namespace, job.metadata.name, { propagationPolicy: 'Foreground' });
  return undefined;
}
