import { RESOURCES } from '../resources';
import type { KubeObject, Store } from '../types';
import type { Controller } from './controller';

const NAMESPACED = [...new Set(RESOURCES.filter(({ namespaced }) => namespaced).map(({ plural }) => plural))];

/** Gives each namespace its default service account, and empties a namespace that is being deleted. */
export const namespaceController: Controller = {
  name: 'namespace-controller',
  resource: 'namespaces',
  watches: Object.fromEntries(NAMESPACED.map((plural) => [plural, terminatingNamespace])),
  reconcile(store, namespace) {
    if (namespace.metadata.deletionTimestamp) empty(store, namespace);
    else ensureServiceAccount(store, namespace.metadata.name);
    return undefined;
  },
};

function terminatingNamespace({ metadata }: KubeObject, store: Store) {
  const namespace = store.get('namespaces', undefined, metadata.namespace ?? '');
  return namespace?.metadata.deletionTimestamp ? [{ namespace: undefined, name: namespace.metadata.name }] : [];
}

function ensureServiceAccount(store: Store, namespace: string): void {
  if (store.get('serviceaccounts', namespace, 'default')) return;
  store.create('serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace },
  });
}

function empty(store: Store, { metadata }: KubeObject): void {
  store.mutate('namespaces', undefined, metadata.name, (target) => {
    target.status = { ...target.status, phase: 'Terminating' };
  });
  for (const plural of NAMESPACED) {
    for (const object of store.list(plural, metadata.name)) {
      if (!object.metadata.deletionTimestamp) store.delete(plural, metadata.name, object.metadata.name);
    }
  }
  const isEmpty = NAMESPACED.every((plural) => store.list(plural, metadata.name).length === 0);
  if (!isEmpty) return;
  store.mutate('namespaces', undefined, metadata.name, (target) => {
    target.metadata.finalizers = target.metadata.finalizers?.filter((finalizer) => finalizer !== 'kubernetes');
  });
}
