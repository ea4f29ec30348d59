import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describeDeletion } from './deletion';
import { deepFreeze, thaw, timestamp } from './freeze';
import { generateName } from './random-name';
import { recordEvent } from './record-event';
import { apiVersionOf, type Resource, resourceByPlural } from './resources';
import { alreadyExists } from './status';
import { StatusError } from './status-error';
import type { KubeObject, Store, StoreEvent } from './types';

type Listener = (event: StoreEvent) => void;
type DeleteOptions = Parameters<Store['delete']>[3];

/**
 * The cluster's objects in memory. Everything happens synchronously, so that read, change and write are one step and
 * listeners see the changes in the order of their resource versions.
 */
class ObjectStore implements Store {
  #revision = 0;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #pending: { resource: string; event: StoreEvent }[] = [];
  #delivering = false;

  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#collection(resource).get(keyOf(requireResource(resource), namespace, name));
  }

  list(resource: string, namespace?: string): KubeObject[] {
    const all = [...this.#collection(resource)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  create(plural: string, input: Parameters<Store['create']>[1]): KubeObject {
    const resource = requireResource(plural);
    const object = thaw(input) as KubeObject;
    const { metadata } = object;
    if (!metadata.name && metadata.generateName) metadata.name = generateName(metadata.generateName);
    if (!metadata.name)
      throw new StatusError(422, 'Invalid', `${resource.kind} "" is invalid: metadata.name: Required value`);
    if (resource.namespaced) metadata.namespace ||= 'default';
    else delete metadata.namespace;
    const key = keyOf(resource, metadata.namespace, metadata.name);
    if (this.#collection(plural).has(key)) throw alreadyExists(resource, metadata.name);

    object.apiVersion ||= apiVersionOf(resource);
    object.kind ||= resource.kind;
    metadata.uid ||= randomUUID();
    metadata.creationTimestamp ||= timestamp();
    if (resource.hasGeneration) metadata.generation = 1;
    return this.#write(plural, key, object, undefined);
  }

  mutate(
    plural: string,
    namespace: string | undefined,
    name: string,
    change: (object: KubeObject) => void,
  ): KubeObject | undefined {
    const resource = requireResource(plural);
    const key = keyOf(resource, namespace, name);
    const previous = this.#collection(plural).get(key);
    if (!previous) return undefined;
    const object = thaw(previous);
    change(object);
    object.metadata.resourceVersion = previous.metadata.resourceVersion;
    // Writing what is already there is no change: no new version and no event, or controllers would chase themselves.
    if (isDeepStrictEqual(object, previous)) return previous;
    if (resource.hasGeneration && isNewGeneration(object, previous)) {
      object.metadata.generation = (previous.metadata.generation ?? 0) + 1;
    }
    if (isDone(object)) return this.#drop(plural, key, object, previous);
    return this.#write(plural, key, object, previous);
  }

  delete(
    plural: string,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): KubeObject | undefined {
    const object = this.get(plural, namespace, name);
    if (!object) return undefined;
    const marks = describeDeletion(plural, object, options);
    return marks
      ? this.mutate(plural, namespace, name, (target) => Object.assign(target.metadata, marks))
      : this.#drop(plural, keyOf(requireResource(plural), namespace, name), thaw(object), object);
  }

  remove(plural: string, namespace: string | undefined, name: string): void {
    const object = this.get(plural, namespace, name);
    if (!object) return;
    if (!object.metadata.finalizers?.length) {
      this.#drop(plural, keyOf(requireResource(plural), namespace, name), thaw(object), object);
      return;
    }
    // Whoever put the finalizer there has still to see the object: it goes with the last finalizer.
    this.mutate(plural, namespace, name, ({ metadata }) => {
      metadata.deletionTimestamp ??= timestamp();
      metadata.deletionGracePeriodSeconds = 0;
    });
  }

  subscribe(resource: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(resource) ?? new Set<Listener>();
    this.#listeners.set(resource, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  recordEvent(object: KubeObject, event: Parameters<Store['recordEvent']>[1]): void {
    recordEvent(this, object, event);
  }

  #collection(resource: string): Map<string, KubeObject> {
    const collection = this.#objects.get(resource) ?? new Map<string, KubeObject>();
    this.#objects.set(resource, collection);
    return collection;
  }

  #write(plural: string, key: string, object: KubeObject, previous: KubeObject | undefined): KubeObject {
    object.metadata.resourceVersion = String(++this.#revision);
    deepFreeze(object);
    this.#collection(plural).set(key, object);
    this.#emit(plural, previous ? { type: 'MODIFIED', object, previous } : { type: 'ADDED', object });
    return object;
  }

  #drop(plural: string, key: string, object: KubeObject, previous: KubeObject): KubeObject {
    object.metadata.resourceVersion = String(++this.#revision);
    deepFreeze(object);
    this.#collection(plural).delete(key);
    this.#emit(plural, { type: 'DELETED', object, previous });
    return object;
  }

  /** A listener that writes must not get ahead of the listeners after it, so events queue up behind the one being told. */
  #emit(resource: string, event: StoreEvent): void {
    this.#pending.push({ resource, event });
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#pending.shift(); next; next = this.#pending.shift())
        this.#deliver(next.resource, next.event);
    } finally {
      this.#delivering = false;
    }
  }

  #deliver(resource: string, event: StoreEvent): void {
    for (const topic of [resource, '*']) {
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) {
        try {
          listener(event);
        } catch (error) {
          // One broken listener must not keep the change from the others, nor fail the writer's call.
          process.emitWarning(error instanceof Error ? error : String(error));
        }
      }
    }
  }
}

function requireResource(plural: string): Resource {
  const resource = resourceByPlural(plural);
  if (!resource) throw new StatusError(404, 'NotFound', `the server could not find the resource "${plural}"`);
  return resource;
}

function keyOf(resource: Resource, namespace: string | undefined, name: string): string {
  return resource.namespaced ? `${namespace ?? 'default'}/${name}` : `/${name}`;
}

function isNewGeneration(object: KubeObject, previous: KubeObject): boolean {
  const markedNow = Boolean(object.metadata.deletionTimestamp) && !previous.metadata.deletionTimestamp;
  return markedNow || !isDeepStrictEqual(object.spec, previous.spec);
}

function isDone({ metadata }: KubeObject): boolean {
  return (
    Boolean(metadata.deletionTimestamp) && metadata.deletionGracePeriodSeconds === 0 && !metadata.finalizers?.length
  );
}

export function createStore(): Store {
  return new ObjectStore();
}
