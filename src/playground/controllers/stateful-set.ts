import type { KubeObject, Store } from '../types';
import { type Controller, ownerKey } from './controller';
import { hashTemplate, listOwned, updateStatus } from './owned';
import { createPod, deletePod, isReady, isTerminal } from './pods';

const COMPONENT = 'statefulset-controller';
const REVISION = 'controller-revision-hash';
const POD_NAME = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX = 'apps.kubernetes.io/pod-index';

export const statefulSetController: Controller = {
  name: COMPONENT,
  resource: 'statefulsets',
  watches: { pods: ownerKey('StatefulSet') },
  reconcile(store, set) {
    if (!set.metadata.deletionTimestamp) settle(store, set);
    reportStatus(store, set);
    return undefined;
  },
};

const revisionOf = ({ metadata, spec }: KubeObject): string => `${metadata.name}-${hashTemplate(spec.template)}`;
const ordinalOf = ({ metadata }: KubeObject): number => Number(metadata.name.slice(metadata.name.lastIndexOf('-') + 1));

function podsOf(store: Store, set: KubeObject): KubeObject[] {
  return listOwned(store, 'pods', set).sort((a, b) => ordinalOf(a) - ordinalOf(b));
}

/** One step at a time unless the set is told otherwise: create upwards, then give up and update downwards. */
function settle(store: Store, set: KubeObject): void {
  const isParallel = set.spec.podManagementPolicy === 'Parallel';
  const pods = new Map(podsOf(store, set).map((pod) => [ordinalOf(pod), pod]));
  for (let ordinal = 0; ordinal < set.spec.replicas; ordinal++) {
    const pod = pods.get(ordinal);
    if (!pod) createMember(store, set, ordinal);
    else if (isTerminal(pod)) deletePod(store, set, pod, COMPONENT);
    const isFine = pod && isReady(pod) && !pod.metadata.deletionTimestamp;
    if (!isFine && !isParallel) return;
  }
  const surplus = [...pods.values()].filter((pod) => ordinalOf(pod) >= set.spec.replicas).reverse();
  for (const pod of surplus) {
    deletePod(store, set, pod, COMPONENT);
    if (!isParallel) return;
  }
  if (surplus.length === 0) replaceOutdated(store, set, [...pods.values()]);
}

function createMember(store: Store, set: KubeObject, ordinal: number): void {
  const name = `${set.metadata.name}-${ordinal}`;
  createPod(store, set, set.spec.template, {
    name,
    component: COMPONENT,
    labels: { [REVISION]: revisionOf(set), [POD_NAME]: name, [POD_INDEX]: String(ordinal) },
    spec: { hostname: name, ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}) },
  });
}

function replaceOutdated(store: Store, set: KubeObject, pods: KubeObject[]): void {
  if (set.spec.updateStrategy?.type === 'OnDelete') return;
  const partition: number = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  for (const pod of pods.sort((a, b) => ordinalOf(b) - ordinalOf(a))) {
    if (ordinalOf(pod) < partition) return;
    if (pod.metadata.labels?.[REVISION] !== revisionOf(set)) deletePod(store, set, pod, COMPONENT);
    else if (isReady(pod) && !pod.metadata.deletionTimestamp) continue;
    // The next one has to wait until this one is back and ready.
    return;
  }
}

function reportStatus(store: Store, set: KubeObject): void {
  const pods = podsOf(store, set).filter((pod) => !isTerminal(pod));
  const updateRevision = revisionOf(set);
  const updated = pods.filter(({ metadata }) => metadata.labels?.[REVISION] === updateRevision);
  const ready = pods.filter(isReady).length;
  const isDone = updated.length === set.spec.replicas && pods.length === set.spec.replicas && ready === pods.length;
  const currentRevision = isDone ? updateRevision : (set.status?.currentRevision ?? updateRevision);
  const current = pods.filter(({ metadata }) => metadata.labels?.[REVISION] === currentRevision);
  updateStatus(store, 'statefulsets', set, {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas: ready || undefined,
    availableReplicas: ready,
    currentReplicas: current.length || undefined,
    updatedReplicas: updated.length || undefined,
    currentRevision,
    updateRevision,
    collisionCount: 0,
  });
}
