import { admitPod, defaultPodSpec } from '../defaults/pod';
import { thaw } from '../freeze';
import type { KubeObject, Store } from '../types';
import { ownerReference } from './owned';

interface PodOptions {
  name?: string;
  labels?: Record<string, string>;
  finalizers?: string[];
  /** Further fields of the spec. */
  spec?: Record<string, unknown>;
  /** Who says so in the event, such as `job-controller`. */
  component: string;
}

/** Creates a pod from a template, owned by `owner`, and records the event that goes with it. */
export function createPod(store: Store, owner: KubeObject, template: any, options: PodOptions): KubeObject {
  const { metadata = {}, spec } = thaw(template);
  const pod: any = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...(options.name ? { name: options.name } : { generateName: `${owner.metadata.name}-` }),
      namespace: owner.metadata.namespace,
      labels: { ...metadata.labels, ...options.labels },
      ...(metadata.annotations ? { annotations: metadata.annotations } : {}),
      ownerReferences: [ownerReference(owner)],
      ...(options.finalizers ? { finalizers: options.finalizers } : {}),
    },
    spec: { ...spec, ...options.spec },
  };
  defaultPodSpec(pod.spec);
  admitPod(pod);
  const created = store.create('pods', pod);
  const message = `Created pod: ${created.metadata.name}`;
  store.recordEvent(owner, { type: 'Normal', reason: 'SuccessfulCreate', message, component: options.component });
  return created;
}

export function deletePod(store: Store, owner: KubeObject, pod: KubeObject, component: string): void {
  if (pod.metadata.deletionTimestamp) return;
  const { namespace, name } = pod.metadata;
  store.delete('pods', namespace, name);
  store.recordEvent(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}`, component });
}

export function isTerminal({ status }: KubeObject): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** Counts towards the wanted number: neither ended nor on its way out. */
export function isActive(pod: KubeObject): boolean {
  return !isTerminal(pod) && !pod.metadata.deletionTimestamp;
}

export function isReady({ status }: KubeObject): boolean {
  return (
    status?.conditions?.some((condition: any) => condition.type === 'Ready' && condition.status === 'True') ?? false
  );
}

/** Milliseconds until the pod has been ready for `minReadySeconds`; 0 when it has, undefined when it is not ready. */
export function untilAvailable(pod: KubeObject, minReadySeconds = 0): number | undefined {
  if (!isReady(pod)) return undefined;
  if (minReadySeconds === 0) return 0;
  const ready = pod.status.conditions.find((condition: any) => condition.type === 'Ready');
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - Date.now());
}

/** Those to give up first come first: not bound, not ready, then the youngest. */
export function byDeletionOrder(a: KubeObject, b: KubeObject): number {
  const rank = (pod: KubeObject) =>
    (pod.spec.nodeName ? 1 : 0) + (pod.status?.phase === 'Running' ? 2 : 0) + (isReady(pod) ? 4 : 0);
  return rank(a) - rank(b) || b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp);
}
