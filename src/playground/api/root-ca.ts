import type { Store } from '../types';

const NAME = 'kube-root-ca.crt';

/** Keeps the authority's certificate as a ConfigMap in every namespace, where pods look for it. Returns the undo. */
export function publishRootCa(store: Store, caPem: string): () => void {
  const publish = (namespace: string): void => {
    if (store.get('configmaps', namespace, NAME)) return;
    store.create('configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: NAME, namespace },
      data: { 'ca.crt': caPem },
    });
  };
  for (const { metadata } of store.list('namespaces')) publish(metadata.name);
  return store.subscribe('namespaces', ({ type, object }) => {
    if (type === 'ADDED') publish(object.metadata.name);
  });
}
