import { thaw } from '../freeze';
import type { KubeObject, Store } from '../types';
import { hashTemplate, listOwned, ownerReference } from './owned';
import { maxSurge } from './rolling';

const HASH = 'pod-template-hash';
const REVISION = 'deployment.kubernetes.io/revision';
const DESIRED = 'deployment.kubernetes.io/desired-replicas';
const MAX = 'deployment.kubernetes.io/max-replicas';

/** Whether a set runs the template the deployment has now. */
export function isFor(set: KubeObject, deployment: KubeObject): boolean {
  return set.metadata.labels?.[HASH] === hashTemplate(deployment.spec.template);
}

export function revisionOf({ metadata }: KubeObject): number {
  return Number(metadata.annotations?.[REVISION] ?? 0);
}

/** Makes the set for the present template, or takes up one from the history, and gives it a size. */
export function ensureNewReplicaSet(store: Store, deployment: KubeObject, replicas: number): void {
  const sets = listOwned(store, 'replicasets', deployment);
  const existing = sets.find((set) => isFor(set, deployment));
  const newest = Math.max(0, ...sets.filter((set) => set !== existing).map(revisionOf));
  const revision = existing && revisionOf(existing) > newest ? revisionOf(existing) : newest + 1;
  if (existing) {
    annotate(store, 'replicasets', existing, { [REVISION]: String(revision), ...sizes(deployment) });
    scaleReplicaSet(store, deployment, existing, replicas);
  } else {
    createReplicaSet(store, deployment, replicas, revision);
  }
  annotate(store, 'deployments', deployment, { [REVISION]: String(revision) });
}

function createReplicaSet(store: Store, deployment: KubeObject, replicas: number, revision: number): void {
  const { metadata, spec } = deployment;
  const hash = hashTemplate(spec.template);
  const template = thaw(spec.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [HASH]: hash } };
  const selector = thaw(spec.selector);
  selector.matchLabels = { ...selector.matchLabels, [HASH]: hash };
  const created = store.create('replicasets', {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels: template.metadata.labels,
      annotations: { [REVISION]: String(revision), ...sizes(deployment) },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: { replicas, selector, template, ...(spec.minReadySeconds ? { minReadySeconds: spec.minReadySeconds } : {}) },
    status: { replicas: 0 },
  });
  if (replicas > 0) announce(store, deployment, created.metadata.name, 0, replicas);
}

export function scaleReplicaSet(store: Store, deployment: KubeObject, set: KubeObject, replicas: number): void {
  const before: number = set.spec.replicas;
  if (before === replicas) return;
  store.mutate('replicasets', set.metadata.namespace, set.metadata.name, (target) => {
    target.spec.replicas = replicas;
    target.metadata.annotations = { ...target.metadata.annotations, ...sizes(deployment) };
  });
  announce(store, deployment, set.metadata.name, before, replicas);
}

function announce(store: Store, deployment: KubeObject, name: string, from: number, to: number): void {
  const direction = to > from ? 'up' : 'down';
  const message = `Scaled ${direction} replica set ${name} from ${from} to ${to}`;
  store.recordEvent(deployment, {
    type: 'Normal',
    reason: 'ScalingReplicaSet',
    message,
    component: 'deployment-controller',
  });
}

function sizes({ spec }: KubeObject): Record<string, string> {
  return { [DESIRED]: String(spec.replicas), [MAX]: String(spec.replicas + maxSurge(spec)) };
}

function annotate(store: Store, resource: string, { metadata }: KubeObject, annotations: Record<string, string>): void {
  store.mutate(resource, metadata.namespace, metadata.name, (target) => {
    target.metadata.annotations = { ...target.metadata.annotations, ...annotations };
  });
}

/** Drops the oldest sets that run nothing, beyond what the deployment keeps to go back to. */
export function pruneHistory(store: Store, deployment: KubeObject): void {
  const idle = listOwned(store, 'replicasets', deployment)
    .filter((set) => !isFor(set, deployment) && set.spec.replicas === 0 && !set.status?.replicas)
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  const surplus = idle.length - (deployment.spec.revisionHistoryLimit ?? 10);
  for (const { metadata } of idle.slice(0, Math.max(0, surplus)))
    store.delete('replicasets', metadata.namespace, metadata.name);
}
