import type { KubeObject, Store } from '../types';
import { type Controller, keyOf, ownerKey } from './controller';
import { hashTemplate, listOwned, updateStatus } from './owned';
import { createPod, deletePod, isReady, isTerminal } from './pods';

const COMPONENT = 'daemonset-controller';
const REVISION = 'controller-revision-hash';

export const daemonSetController: Controller = {
  name: COMPONENT,
  resource: 'daemonsets',
  watches: { pods: ownerKey('DaemonSet'), nodes: (_node, store) => store.list('daemonsets').map(keyOf) },
  reconcile(store, set) {
    const nodes = store.list('nodes').filter((node) => isWanted(set, node));
    if (!set.metadata.deletionTimestamp) settle(store, set, nodes);
    reportStatus(store, set, nodes.length);
    return undefined;
  },
};

function isWanted({ spec }: KubeObject, node: KubeObject): boolean {
  const selector = Object.entries(spec.template.spec.nodeSelector ?? {});
  return selector.every(([key, value]) => node.metadata.labels?.[key] === value);
}

function settle(store: Store, set: KubeObject, nodes: KubeObject[]): void {
  const hash = hashTemplate(set.spec.template);
  const pods = listOwned(store, 'pods', set);
  const names = new Set(nodes.map(({ metadata }) => metadata.name));
  for (const pod of pods) {
    const isOutdated = pod.metadata.labels?.[REVISION] !== hash && set.spec.updateStrategy?.type !== 'OnDelete';
    if (isOutdated || isTerminal(pod) || !names.has(pod.spec.nodeName)) deletePod(store, set, pod, COMPONENT);
  }
  for (const name of names) {
    if (pods.some((pod) => pod.spec.nodeName === name)) continue;
    createPod(store, set, set.spec.template, {
      component: COMPONENT,
      labels: { [REVISION]: hash },
      spec: { nodeName: name },
    });
  }
}

function reportStatus(store: Store, set: KubeObject, desired: number): void {
  const pods = listOwned(store, 'pods', set).filter((pod) => !pod.metadata.deletionTimestamp);
  const hash = hashTemplate(set.spec.template);
  const ready = pods.filter(isReady).length;
  updateStatus(store, 'daemonsets', set, {
    observedGeneration: set.metadata.generation,
    desiredNumberScheduled: desired,
    currentNumberScheduled: pods.length,
    updatedNumberScheduled: pods.filter(({ metadata }) => metadata.labels?.[REVISION] === hash).length || undefined,
    numberMisscheduled: 0,
    numberReady: ready,
    numberAvailable: ready || undefined,
    numberUnavailable: Math.max(0, desired - ready) || undefined,
  });
}
