import { createHash } from 'node:crypto';
import { encodeSafe } from '../random-name';
import type { KubeObject, OwnerReference, Store } from '../types';

export function ownerReference({ apiVersion, kind, metadata }: KubeObject): OwnerReference {
  const { name, uid } = metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** The objects an owner controls. By uid, so that what a namesake left behind is not taken over. */
export function listOwned(store: Store, resource: string, owner: KubeObject): KubeObject[] {
  return store
    .list(resource, owner.metadata.namespace)
    .filter(({ metadata }) =>
      metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === owner.metadata.uid),
    );
}

/** A short hash of a pod template; equal templates have equal ones whatever the order of their keys. */
export function hashTemplate(template: unknown): string {
  return encodeSafe(createHash('sha256').update(canonical(template)).digest('hex').slice(0, 10));
}

/** Keys in order, and nothing that is empty: clients write `null` and `{}` for what another one leaves out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, child) => {
    if (child === null || typeof child !== 'object' || Array.isArray(child)) return child ?? undefined;
    const filled = Object.entries(child).filter(([, entry]) => !isEmpty(entry));
    return Object.fromEntries(filled.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value as object).length === 0);
}

/** Writes fields of the status; those that are undefined are taken away. */
export function updateStatus(
  store: Store,
  resource: string,
  { metadata }: KubeObject,
  fields: Record<string, unknown>,
): void {
  store.mutate(resource, metadata.namespace, metadata.name, (target) => {
    const status = { ...target.status, ...fields };
    for (const key of Object.keys(status)) if (status[key] === undefined) delete status[key];
    target.status = status;
  });
}
