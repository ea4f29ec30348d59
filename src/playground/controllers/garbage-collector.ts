import { FOREGROUND, ORPHAN } from '../deletion';
import { RESOURCES, resourceOfKind } from '../resources';
import type { KubeObject, OwnerReference, Store, StoreEvent } from '../types';

const PLURALS = [...new Set(RESOURCES.map(({ plural }) => plural))];

interface Dependant {
  plural: string;
  object: KubeObject;
}

/** Lets dependants follow their owner: at once in the background, before it in the foreground, or not at all. */
export function startGarbageCollector(store: Store): () => void {
  return store.subscribe('*', ({ type, object }: StoreEvent) => {
    if (type === 'DELETED') {
      collect(store, object);
      recheckOwners(store, object);
      return;
    }
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    if (deletionTimestamp && finalizers.includes(ORPHAN)) orphan(store, object);
    if (deletionTimestamp && finalizers.includes(FOREGROUND)) deleteInForeground(store, object);
    if (type === 'ADDED' && isAbandoned(store, object)) deleteObject(store, object);
  });
}

function dependantsOf(store: Store, { metadata }: KubeObject): Dependant[] {
  return PLURALS.flatMap((plural) =>
    store
      .list(plural)
      .filter((object) => object.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
      .map((object) => ({ plural, object })),
  );
}

function collect(store: Store, owner: KubeObject): void {
  for (const { plural, object } of dependantsOf(store, owner)) {
    const others = object.metadata.ownerReferences!.filter(({ uid }) => uid !== owner.metadata.uid);
    if (others.some((reference) => exists(store, object, reference))) dropReference(store, plural, object, owner);
    else deleteObject(store, object);
  }
}

function orphan(store: Store, owner: KubeObject): void {
  for (const { plural, object } of dependantsOf(store, owner)) dropReference(store, plural, object, owner);
  dropFinalizer(store, owner, ORPHAN);
}

function deleteInForeground(store: Store, owner: KubeObject): void {
  const dependants = dependantsOf(store, owner);
  for (const { object } of dependants) {
    if (!object.metadata.deletionTimestamp) deleteObject(store, object, 'Foreground');
  }
  // Looked up anew: some of them are gone already.
  const isBlocked = dependantsOf(store, owner).some(({ object }) =>
    object.metadata.ownerReferences!.some(
      ({ uid, blockOwnerDeletion }) => uid === owner.metadata.uid && blockOwnerDeletion,
    ),
  );
  if (!isBlocked) dropFinalizer(store, owner, FOREGROUND);
}

/** With this dependant gone, an owner that waited for it may be free to go. */
function recheckOwners(store: Store, { metadata }: KubeObject): void {
  for (const reference of metadata.ownerReferences ?? []) {
    const owner = find(store, metadata.namespace, reference);
    if (owner?.metadata.finalizers?.includes(FOREGROUND) && owner.metadata.deletionTimestamp)
      deleteInForeground(store, owner);
  }
}

function isAbandoned(store: Store, object: KubeObject): boolean {
  const references = object.metadata.ownerReferences ?? [];
  return references.length > 0 && !references.some((reference) => exists(store, object, reference));
}

function exists(store: Store, { metadata }: KubeObject, reference: OwnerReference): boolean {
  // Of a kind that is not kept here nothing is known, so it counts as there.
  if (!resourceOfKind(reference.apiVersion, reference.kind)) return true;
  return find(store, metadata.namespace, reference) !== undefined;
}

function find(
  store: Store,
  namespace: string | undefined,
  { apiVersion, kind, name, uid }: OwnerReference,
): KubeObject | undefined {
  const resource = resourceOfKind(apiVersion, kind);
  const owner = resource && store.get(resource.plural, namespace, name);
  return owner?.metadata.uid === uid ? owner : undefined;
}

function deleteObject(
  store: Store,
  object: KubeObject,
  propagationPolicy: 'Background' | 'Foreground' = 'Background',
): void {
  const { namespace, name } = object.metadata;
  store.delete(resourceOfKind(object.apiVersion, object.kind)!.plural, namespace, name, { propagationPolicy });
}

function dropReference(store: Store, plural: string, { metadata }: KubeObject, owner: KubeObject): void {
  store.mutate(plural, metadata.namespace, metadata.name, (target) => {
    const left = target.metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid) ?? [];
    if (left.length > 0) target.metadata.ownerReferences = left;
    else delete target.metadata.ownerReferences;
  });
}

function dropFinalizer(store: Store, { apiVersion, kind, metadata }: KubeObject, finalizer: string): void {
  store.mutate(resourceOfKind(apiVersion, kind)!.plural, metadata.namespace, metadata.name, (target) => {
    const left = target.metadata.finalizers?.filter((entry) => entry !== finalizer) ?? [];
    if (left.length > 0) target.metadata.finalizers = left;
    else delete target.metadata.finalizers;
  });
}
