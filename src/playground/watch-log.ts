import { resourceOfKind } from './resources';
import type { Store, StoreEvent } from './types';

export interface LoggedEvent extends StoreEvent {
  /** Plural of the resource. */
  resource: string;
  /** The version this change got; greater than that of every earlier one. */
  revision: number;
}

export interface WatchLog {
  /** Version of the newest change. */
  readonly revision: number;
  /** A watch can start from here or later; what came before is forgotten. */
  readonly oldest: number;
  /** Changes of one resource after `revision`, oldest first. */
  since(resource: string, revision: number): LoggedEvent[];
  /** Called for each later change. Returns the undo. */
  follow(resource: string, listener: (event: LoggedEvent) => void): () => void;
  close(): void;
}

const DEFAULT_SIZE = 5000;

/** Remembers the last changes, so that a watch can resume from a version it has seen. Bounded by `size` changes. */
export function createWatchLog(store: Store, { size = DEFAULT_SIZE, start = 1 } = {}): WatchLog {
  const followers = new Map<string, Set<(event: LoggedEvent) => void>>();
  let events: LoggedEvent[] = [];
  let revision = start;
  let oldest = start;

  const unsubscribe = store.subscribe('*', (event) => {
    const resource = resourceOfKind(event.object.apiVersion, event.object.kind)?.plural;
    if (!resource) return;
    revision = Number(event.object.metadata.resourceVersion);
    const logged = { ...event, resource, revision };
    events.push(logged);
    // Cutting in halves keeps the cost of a change constant.
    if (events.length > size) {
      events = events.slice(events.length >> 1);
      oldest = events[0]!.revision - 1;
    }
    for (const listener of [...(followers.get(resource) ?? [])]) listener(logged);
  });

  return {
    get revision() {
      return revision;
    },
    get oldest() {
      return oldest;
    },
    since: (resource, after) => events.filter((event) => event.revision > after && event.resource === resource),
    follow(resource, listener) {
      const listeners = followers.get(resource) ?? new Set();
      followers.set(resource, listeners.add(listener));
      return () => void listeners.delete(listener);
    },
    close: unsubscribe,
  };
}

/** The version of the newest object in a store that was filled before its log began. */
export function newestRevision(store: Store, resources: readonly { plural: string }[]): number {
  const versions = resources.flatMap(({ plural }) =>
    store.list(plural).map((object) => Number(object.metadata.resourceVersion)),
  );
  return Math.max(1, ...versions);
}
