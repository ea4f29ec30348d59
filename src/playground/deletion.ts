import { timestamp } from './freeze';
import type { KubeObject, ObjectMeta } from './types';

interface Options {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/** The finalizers by which the garbage collector is asked to deal with dependants before the object goes. */
export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/**
 * What a deletion request writes into an object's metadata, or undefined when the object can go at once. A pod waits for
 * its kubelet unless it never had one, has ended, or the grace period is zero.
 */
export function describeDeletion(
  resource: string,
  object: KubeObject,
  { gracePeriodSeconds, propagationPolicy }: Options,
): Partial<ObjectMeta> | undefined {
  const finalizers = [...(object.metadata.finalizers ?? [])];
  const added = propagationPolicy === 'Foreground' ? FOREGROUND : propagationPolicy === 'Orphan' ? ORPHAN : undefined;
  if (added && !finalizers.includes(added)) finalizers.push(added);
  // A namespace goes when it is empty; the finalizer is the namespace controller's to take away.
  if (resource === 'namespaces' && !finalizers.includes('kubernetes')) finalizers.push('kubernetes');

  const grace = resource === 'pods' ? podGrace(object, gracePeriodSeconds) : 0;
  if (grace === 0 && finalizers.length === 0) return undefined;

  const { deletionTimestamp, deletionGracePeriodSeconds = Number.POSITIVE_INFINITY } = object.metadata;
  const marks: Partial<ObjectMeta> = finalizers.length > 0 ? { finalizers } : {};
  // A second request may shorten the grace period, never lengthen it.
  if (deletionTimestamp && deletionGracePeriodSeconds <= grace) return marks;
  return {
    ...marks,
    deletionTimestamp: timestamp(Date.now() + grace * 1000),
    deletionGracePeriodSeconds: grace,
  };
}

function podGrace(pod: KubeObject, requested: number | undefined): number {
  if (!pod.spec?.nodeName || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return 0;
  const grace = requested ?? pod.spec.terminationGracePeriodSeconds ?? 30;
  return Math.max(0, grace);
}
