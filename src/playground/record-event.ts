import { createHash } from 'node:crypto';
import { timestamp } from './freeze';
import type { KubeObject, Store } from './types';

const MAX_EVENTS = 2000;

type EventInput = Parameters<Store['recordEvent']>[1];

/**
 * Writes an Event about an object, or counts up the one that says the same. The name ends in a hash of what is said, so
 * that finding it again is one lookup.
 */
export function recordEvent(store: Store, object: KubeObject, event: EventInput): void {
  const { name, namespace = 'default', uid, resourceVersion } = object.metadata;
  const identity = JSON.stringify([uid, event.type, event.reason, event.message, event.component]);
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  const eventName = `${name}.${hash}`;
  const now = timestamp();
  const counted = store.mutate('events', namespace, eventName, (existing) => {
    existing.count = (existing.count ?? 1) + 1;
    existing.lastTimestamp = now;
  });
  if (counted) return;

  dropOldest(store);
  store.create('events', {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: eventName, namespace },
    involvedObject: { kind: object.kind, namespace, name, uid, apiVersion: object.apiVersion, resourceVersion },
    reason: event.reason,
    message: event.message,
    source: { component: event.component },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    type: event.type,
    eventTime: null,
    reportingComponent: event.component,
    reportingInstance: '',
  });
}

/** A playground that runs for days must not fill its memory with events. */
function dropOldest(store: Store): void {
  const events = store.list('events');
  if (events.length < MAX_EVENTS) return;
  const byAge = events.sort((a, b) => String(a.lastTimestamp).localeCompare(String(b.lastTimestamp)));
  for (const { metadata } of byAge.slice(0, MAX_EVENTS / 10)) store.remove('events', metadata.namespace, metadata.name);
}
