import { timestamp } from '../freeze';
import type { KubeObject, Store } from '../types';
import type { Requeue } from './controller';
import { listOwned, updateStatus } from './owned';
import { isFor } from './replica-set-history';
import { maxUnavailable, total } from './rolling';

interface Condition {
  type: string;
  status: 'True' | 'False';
  reason: string;
  message: string;
  lastUpdateTime?: string;
  lastTransitionTime?: string;
}

/** Writes the deployment's numbers and conditions; asks to be called again when the rollout's deadline is due. */
export function reportDeploymentStatus(store: Store, deployment: KubeObject): Requeue {
  const {
    metadata,
    spec,
    status = {},
  } = store.get('deployments', deployment.metadata.namespace, deployment.metadata.name)!;
  const sets = listOwned(store, 'replicasets', deployment);
  const current = sets.find((set) => isFor(set, deployment));
  const sum = (field: string) => sets.reduce((count, set) => count + (set.status?.[field] ?? 0), 0);
  const numbers = {
    replicas: total(sets, 'status'),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum('readyReplicas'),
    availableReplicas: sum('availableReplicas'),
  };
  const isComplete =
    numbers.updatedReplicas === spec.replicas &&
    numbers.replicas === spec.replicas &&
    numbers.availableReplicas === spec.replicas;
  const isAvailable = numbers.availableReplicas >= spec.replicas - maxUnavailable(spec);
  const changed = JSON.stringify(numbers) !== JSON.stringify(pick(status, Object.keys(numbers)));
  const before: Condition[] = status.conditions ?? [];
  const progressing = progress(deployment, current, isComplete, changed, before);
  const conditions = [availability(isAvailable), progressing].filter((condition) => condition !== undefined);

  updateStatus(store, 'deployments', deployment, {
    observedGeneration: metadata.generation,
    ...Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, value || undefined])),
    unavailableReplicas: Math.max(0, spec.replicas - numbers.availableReplicas) || undefined,
    conditions: conditions.map((condition) => merge(condition, before, changed)),
  });
  if (isComplete || progressing?.status !== 'True') return undefined;
  return (spec.progressDeadlineSeconds ?? 600) * 1000;
}

function availability(isAvailable: boolean): Condition {
  return isAvailable
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

function progress(
  { spec }: KubeObject,
  current: KubeObject | undefined,
  isComplete: boolean,
  changed: boolean,
  before: Condition[],
): Condition | undefined {
  if (!current) return undefined;
  const name = `ReplicaSet "${current.metadata.name}"`;
  if (isComplete) {
    return {
      type: 'Progressing',
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `${name} has successfully progressed.`,
    };
  }
  const last = before.find(({ type }) => type === 'Progressing');
  const deadline = (spec.progressDeadlineSeconds ?? 600) * 1000;
  const isStuck =
    !changed && last?.lastUpdateTime !== undefined && Date.now() - Date.parse(last.lastUpdateTime) >= deadline;
  const isRunning = last && last.reason !== 'NewReplicaSetAvailable';
  if (isStuck && isRunning) {
    return {
      type: 'Progressing',
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: `${name} has timed out progressing.`,
    };
  }
  return { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${name} is progressing.` };
}

/** Keeps the times of a condition that says what it said before. */
function merge(condition: Condition, before: Condition[], changed: boolean): Condition {
  const last = before.find(({ type }) => type === condition.type);
  const now = timestamp();
  const isSame =
    last?.status === condition.status && last.reason === condition.reason && last.message === condition.message;
  const keepsUpdate = isSame && (condition.type !== 'Progressing' || !changed);
  return {
    ...condition,
    lastUpdateTime: keepsUpdate ? last.lastUpdateTime : now,
    lastTransitionTime: last?.status === condition.status ? last.lastTransitionTime : now,
  };
}

function pick(object: Record<string, unknown>, keys: string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, object[key] ?? 0]));
}
