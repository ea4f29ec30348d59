import { type AddressPool, NODE_NAME } from './addresses';
import type { Capacity } from './field-ref';
import type { ImageOptions } from './images';
import { PodWorker } from './pod-worker';
import { schedulePod } from './scheduler';
import type { Credentials } from './service-account';
import type { ServiceProxy } from './service-proxy';
import type { KubeObject, Store, StoreEvent } from './types';

/** What all pods of the node share. */
export interface NodeServices {
  store: Store;
  addresses: AddressPool;
  proxy: ServiceProxy;
  capacity: Capacity;
  imageOptions: ImageOptions;
  credentials: Credentials;
}

/** Runs the pods that the store says should run here. */
export class Kubelet {
  readonly #services: NodeServices;
  readonly #workers = new Map<string, PodWorker>();
  readonly #undo: (() => void)[];

  constructor(services: NodeServices) {
    this.#services = services;
    const { store } = services;
    const refresh = (resource: string) => (event: StoreEvent) => {
      for (const worker of this.#workers.values()) worker.refreshVolumes(resource, event.object.metadata.name);
    };
    this.#undo = [
      store.subscribe('pods', (event) => this.#observe(event)),
      store.subscribe('configmaps', refresh('configmaps')),
      store.subscribe('secrets', refresh('secrets')),
    ];
    for (const pod of store.list('pods')) this.#sync(pod);
  }

  worker(namespace: string, name: string): PodWorker | undefined {
    const pod = this.#services.store.get('pods', namespace, name);
    return pod && this.#workers.get(pod.metadata.uid);
  }

  stop(): void {
    for (const undo of this.#undo) undo();
  }

  #observe(event: StoreEvent): void {
    const { uid } = event.object.metadata;
    if (event.type !== 'DELETED') {
      this.#sync(event.object);
      return;
    }
    const worker = this.#workers.get(uid);
    this.#workers.delete(uid);
    void worker?.forget();
  }

  #sync(pod: KubeObject): void {
    const { uid, deletionTimestamp } = pod.metadata;
    const worker = this.#workers.get(uid);
    if (worker) worker.update(pod);
    else if (deletionTimestamp) {
      if (pod.spec.nodeName === NODE_NAME)
        this.#services.store.remove('pods', pod.metadata.namespace, pod.metadata.name);
    } else if (!pod.spec.nodeName) schedulePod(this.#services.store, pod, this.#services.capacity);
    else if (pod.spec.nodeName === NODE_NAME) {
      const created = new PodWorker(this.#services, pod);
      this.#workers.set(uid, created);
      created.start();
    }
  }
}
