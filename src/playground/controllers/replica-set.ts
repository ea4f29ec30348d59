import type { KubeObject, Store } from '../types';
import { type Controller, ownerKey, type Requeue } from './controller';
import { listOwned, updateStatus } from './owned';
import { byDeletionOrder, createPod, deletePod, isActive, isReady, untilAvailable } from './pods';

const COMPONENT = 'replicaset-controller';

export const replicaSetController: Controller = {
  name: COMPONENT,
  resource: 'replicasets',
  watches: { pods: ownerKey('ReplicaSet') },
  reconcile(store, set) {
    if (!set.metadata.deletionTimestamp) scale(store, set);
    return reportStatus(store, set);
  },
};

function scale(store: Store, set: KubeObject): void {
  const pods = listOwned(store, 'pods', set).filter(isActive);
  const wanted: number = set.spec.replicas ?? 1;
  for (let missing = wanted - pods.length; missing > 0; missing--) {
    createPod(store, set, set.spec.template, { component: COMPONENT });
  }
  const surplus = Math.max(0, pods.length - wanted);
  for (const pod of pods.sort(byDeletionOrder).slice(0, surplus)) deletePod(store, set, pod, COMPONENT);
}

function reportStatus(store: Store, set: KubeObject): Requeue {
  const pods = listOwned(store, 'pods', set).filter(isActive);
  const waits = pods.map((pod) => untilAvailable(pod, set.spec.minReadySeconds));
  const templateLabels = Object.entries(set.spec.template?.metadata?.labels ?? {});
  const isLabeled = ({ metadata }: KubeObject) =>
    templateLabels.every(([key, value]) => metadata.labels?.[key] === value);
  updateStatus(store, 'replicasets', set, {
    replicas: pods.length,
    fullyLabeledReplicas: pods.filter(isLabeled).length || undefined,
    readyReplicas: pods.filter(isReady).length || undefined,
    availableReplicas: waits.filter((wait) => wait === 0).length || undefined,
    observedGeneration: set.metadata.generation,
  });
  const pending = waits.filter((wait): wait is number => wait !== undefined && wait > 0);
  return pending.length > 0 ? Math.min(...pending) : undefined;
}
