import type { KubeObject, Store } from '../types';

/** Milliseconds after which the object is to be looked at again, if nothing changes before. */
export type Requeue = number | undefined;

export interface Controller {
  name: string;
  /** Plural of the objects it reconciles. */
  resource: string;
  /** Other resources whose changes concern it: which of its objects each of them means. */
  watches: Record<string, (object: KubeObject, store: Store) => Key[]>;
  /** Brings the cluster closer to what the object wants. Called again after each change; must settle. */
  reconcile(store: Store, object: KubeObject): Requeue;
  /** Called instead when the object is gone. */
  cleanUp?(store: Store, key: Key): void;
}

export interface Key {
  namespace: string | undefined;
  name: string;
}

const RETRY_MS = 1000;
// setTimeout takes no longer wait.
const MAX_WAIT_MS = 2 ** 31 - 1;

/** Runs a controller until the returned function is called. One pass at a time, and one object once per pass. */
export function runController(store: Store, controller: Controller): () => void {
  const queue = new Map<string, Key>();
  const timers = new Map<string, NodeJS.Timeout>();
  let scheduled: NodeJS.Immediate | undefined;

  const enqueue = (key: Key): void => {
    queue.set(idOf(key), key);
    scheduled ??= setImmediate(drain);
  };

  const drain = (): void => {
    scheduled = undefined;
    const batch = [...queue];
    queue.clear();
    for (const [id, key] of batch) {
      clearTimeout(timers.get(id));
      timers.delete(id);
      const wait = runOne(store, controller, key);
      if (wait !== undefined) timers.set(id, setTimeout(() => enqueue(key), Math.min(wait, MAX_WAIT_MS)).unref());
    }
  };

  const undo = [store.subscribe(controller.resource, ({ object }) => enqueue(keyOf(object)))];
  for (const [resource, keysOf] of Object.entries(controller.watches)) {
    undo.push(
      store.subscribe(resource, ({ object, previous }) => {
        // An object may have belonged elsewhere before the change.
        for (const version of previous ? [previous, object] : [object]) keysOf(version, store).forEach(enqueue);
      }),
    );
  }
  for (const object of store.list(controller.resource)) enqueue(keyOf(object));

  return () => {
    for (const stop of undo) stop();
    for (const timer of timers.values()) clearTimeout(timer);
    if (scheduled) clearImmediate(scheduled);
  };
}

function runOne(store: Store, controller: Controller, key: Key): Requeue {
  try {
    const object = store.get(controller.resource, key.namespace, key.name);
    if (!object) {
      controller.cleanUp?.(store, key);
      return undefined;
    }
    return controller.reconcile(store, object);
  } catch (error) {
    // What failed for one object must not stop the others; it is tried again like in a real controller manager.
    process.emitWarning(`${controller.name}: ${key.namespace ?? ''}/${key.name}: ${(error as Error).message}`);
    return RETRY_MS;
  }
}

export function keyOf({ metadata }: KubeObject): Key {
  return { namespace: metadata.namespace, name: metadata.name };
}

function idOf({ namespace, name }: Key): string {
  return `${namespace ?? ''}/${name}`;
}

/** The key of an object's controller, if that is of the given kind. */
export function ownerKey(kind: string): (object: KubeObject) => Key[] {
  return ({ metadata }) => {
    const owner = metadata.ownerReferences?.find((reference) => reference.controller && reference.kind === kind);
    return owner ? [{ namespace: metadata.namespace, name: owner.name }] : [];
  };
}
