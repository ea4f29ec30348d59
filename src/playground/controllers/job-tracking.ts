import type { KubeObject, Store } from '../types';
import type { JobStatus } from './job-status';
import { listOwned } from './owned';
import { isTerminal } from './pods';

/** The finalizer that keeps a job's pod until its end has been counted. */
export const TRACKING = 'batch.kubernetes.io/job-tracking';

/** Adds pods that have ended to the numbers, each exactly once, and lets go of them. */
export function countFinished(store: Store, job: KubeObject, status: JobStatus): void {
  for (const pod of listOwned(store, 'pods', job)) {
    if (!isTracked(pod) || !hasEnded(pod)) continue;
    if (pod.status?.phase === 'Succeeded') status.succeeded = (status.succeeded ?? 0) + 1;
    else status.failed = (status.failed ?? 0) + 1;
    release(store, pod);
  }
}

/** Pods whose job is gone are nobody's to count. */
export function dropStrayFinalizers(store: Store, namespace: string | undefined): void {
  for (const pod of store.list('pods', namespace)) {
    if (!isTracked(pod)) continue;
    const owner = pod.metadata.ownerReferences?.find(({ kind, controller }) => controller && kind === 'Job');
    if (!owner || store.get('jobs', namespace, owner.name)?.metadata.uid !== owner.uid) release(store, pod);
  }
}

function isTracked({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(TRACKING) ?? false;
}

/** With a grace period of zero left, the kubelet is done with it: only the finalizer keeps it. */
function hasEnded(pod: KubeObject): boolean {
  return isTerminal(pod) || (Boolean(pod.metadata.deletionTimestamp) && pod.metadata.deletionGracePeriodSeconds === 0);
}

function release(store: Store, { metadata }: KubeObject): void {
  store.mutate('pods', metadata.namespace, metadata.name, (target) => {
    const left = target.metadata.finalizers?.filter((finalizer) => finalizer !== TRACKING) ?? [];
    if (left.length > 0) target.metadata.finalizers = left;
    else delete target.metadata.finalizers;
  });
}
