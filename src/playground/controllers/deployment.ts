import type { KubeObject, Store } from '../types';
import { type Controller, ownerKey } from './controller';
import { reportDeploymentStatus } from './deployment-status';
import { listOwned } from './owned';
import { ensureNewReplicaSet, isFor, pruneHistory, scaleReplicaSet } from './replica-set-history';
import { maxSurge, maxUnavailable, occupied, total } from './rolling';

export const deploymentController: Controller = {
  name: 'deployment-controller',
  resource: 'deployments',
  watches: { replicasets: ownerKey('Deployment') },
  reconcile(store, deployment) {
    if (deployment.metadata.deletionTimestamp) return undefined;
    if (deployment.spec.paused) resize(store, deployment);
    else if (deployment.spec.strategy?.type === 'Recreate') recreate(store, deployment);
    else rollOut(store, deployment);
    pruneHistory(store, deployment);
    return reportDeploymentStatus(store, deployment);
  },
};

function split(store: Store, deployment: KubeObject): { current: KubeObject | undefined; old: KubeObject[] } {
  const sets = listOwned(store, 'replicasets', deployment);
  const current = sets.find((set) => isFor(set, deployment));
  return { current, old: sets.filter((set) => set !== current) };
}

/** While paused, only the number changes, and only of the set that runs. */
function resize(store: Store, deployment: KubeObject): void {
  const active = listOwned(store, 'replicasets', deployment).filter((set) => set.spec.replicas > 0);
  if (active.length === 1) scaleReplicaSet(store, deployment, active[0]!, deployment.spec.replicas);
}

function recreate(store: Store, deployment: KubeObject): void {
  const { old } = split(store, deployment);
  for (const set of old) scaleReplicaSet(store, deployment, set, 0);
  // Nothing new before the last of the old pods is really gone, terminating ones included.
  const isOldRunning = old.some((set) => listOwned(store, 'pods', set).length > 0);
  if (!isOldRunning) ensureNewReplicaSet(store, deployment, deployment.spec.replicas);
}

function rollOut(store: Store, deployment: KubeObject): void {
  const wanted: number = deployment.spec.replicas;
  const before = split(store, deployment);
  // Pods that a set is still to give up count too, so that never more run than the surge allows.
  const room = wanted + maxSurge(deployment.spec) - occupied([...before.old, before.current]);
  const size: number = before.current?.spec.replicas ?? 0;
  const target = size > wanted ? wanted : Math.min(wanted, size + Math.max(0, room));
  ensureNewReplicaSet(store, deployment, target);

  const { current, old } = split(store, deployment);
  const minAvailable = wanted - maxUnavailable(deployment.spec);
  const newUnavailable = (current?.spec.replicas ?? 0) - (current?.status?.availableReplicas ?? 0);
  let spare = total([...old, current], 'spec') - minAvailable - newUnavailable;
  // Pods that do not work anyway go first, they are no loss.
  for (const set of byAge(old)) {
    const broken = set.spec.replicas - (set.status?.availableReplicas ?? 0);
    spare -= shrink(store, deployment, set, Math.min(broken, spare));
  }
  const left = split(store, deployment);
  let available = availableOf([...left.old, left.current]) - minAvailable;
  for (const set of byAge(left.old)) available -= shrink(store, deployment, set, available);
}

function shrink(store: Store, deployment: KubeObject, set: KubeObject, by: number): number {
  const count = Math.min(Math.max(0, by), set.spec.replicas);
  if (count > 0) scaleReplicaSet(store, deployment, set, set.spec.replicas - count);
  return count;
}

function availableOf(sets: (KubeObject | undefined)[]): number {
  // A set that was just made smaller still reports the pods it is about to lose.
  return sets.reduce((sum, set) => sum + Math.min(set?.status?.availableReplicas ?? 0, set?.spec.replicas ?? 0), 0);
}

function byAge(sets: KubeObject[]): KubeObject[] {
  return [...sets].sort((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp));
}
