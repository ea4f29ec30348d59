import { describe, expect, it } from 'vitest';
import { createStore } from '../../../src/playground/store';
import type { StoreEvent } from '../../../src/playground/types';

const pod = (name: string, extra: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { nodeName: 'playground', containers: [{ name: 'c', image: 'x' }] },
  ...extra,
});

function record(store: ReturnType<typeof createStore>, resource = '*'): StoreEvent[] {
  const events: StoreEvent[] = [];
  store.subscribe(resource, (event) => events.push(event));
  return events;
}

describe('the store', () => {
  it('fills in uid, time, version, generation and a generated name', () => {
    const { metadata } = createStore().create('pods', {
      ...pod(''),
      metadata: { generateName: 'web-', namespace: 'default' },
    });
    expect(metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(metadata).toMatchObject({ resourceVersion: '1', generation: 1 });
  });

  it('refuses a second object of the same name in the same namespace only', () => {
    const store = createStore();
    store.create('pods', pod('a'));
    expect(() => store.create('pods', pod('a'))).toThrow(
      expect.objectContaining({ code: 409, reason: 'AlreadyExists' }),
    );
    store.create('pods', { ...pod('a'), metadata: { name: 'a', namespace: 'other' } });
    expect(store.list('pods')).toHaveLength(2);
    expect(store.list('pods', 'other')).toHaveLength(1);
  });

  it('hands out objects that cannot be changed by accident', () => {
    const store = createStore();
    const created = store.create('pods', pod('a'));
    expect(() => {
      created.spec.containers[0].image = 'y';
    }).toThrow(TypeError);
    expect(store.get('pods', 'default', 'a')!.spec.containers[0].image).toBe('x');
  });

  it('counts a new generation for a changed spec and not for a changed status', () => {
    const store = createStore();
    store.create('pods', pod('a'));
    const status = store.mutate(
      'pods',
      'default',
      'a',
      (object) => void Object.assign(object, { status: { phase: 'Running' } }),
    );
    expect(status!.metadata).toMatchObject({ generation: 1, resourceVersion: '2' });
    const spec = store.mutate('pods', 'default', 'a', (object) => void Object.assign(object.spec, { hostname: 'h' }));
    expect(spec!.metadata).toMatchObject({ generation: 2, resourceVersion: '3' });
  });

  it('writes nothing and tells nobody when nothing changed', () => {
    const store = createStore();
    store.create('pods', pod('a'));
    const events = record(store);
    expect(store.mutate('pods', 'default', 'a', () => {})!.metadata.resourceVersion).toBe('1');
    expect(events).toEqual([]);
  });

  it('changes nothing when the change throws', () => {
    const store = createStore();
    store.create('pods', pod('a'));
    expect(() =>
      store.mutate('pods', 'default', 'a', (object) => {
        object.spec.hostname = 'h';
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(store.get('pods', 'default', 'a')!.spec.hostname).toBeUndefined();
  });

  it('tells every listener of the changes in order, also when one of them writes', () => {
    const store = createStore();
    store.subscribe('pods', ({ type, object }) => {
      if (type === 'ADDED')
        store.mutate('pods', 'default', object.metadata.name, (target) => void Object.assign(target, { status: {} }));
    });
    const events = record(store);
    store.create('pods', pod('a'));
    expect(events.map(({ type, object }) => [type, object.metadata.resourceVersion])).toEqual([
      ['ADDED', '1'],
      ['MODIFIED', '2'],
    ]);
  });

  it('keeps a pod that runs until its kubelet takes it out', () => {
    const store = createStore();
    store.create('pods', pod('a'));
    const deleted = store.delete('pods', 'default', 'a', { gracePeriodSeconds: 7 })!;
    expect(deleted.metadata.deletionGracePeriodSeconds).toBe(7);
    expect(Date.parse(deleted.metadata.deletionTimestamp!) - Date.now()).toBeGreaterThan(5000);
    store.delete('pods', 'default', 'a', { gracePeriodSeconds: 60 });
    expect(store.get('pods', 'default', 'a')!.metadata.deletionGracePeriodSeconds).toBe(7);
    const events = record(store);
    store.remove('pods', 'default', 'a');
    expect(events.map(({ type }) => type)).toEqual(['DELETED']);
    expect(Number(events[0]!.object.metadata.resourceVersion)).toBeGreaterThan(
      Number(deleted.metadata.resourceVersion),
    );
  });

  it.each([
    ['with no grace', pod('a'), { gracePeriodSeconds: 0 }],
    ['that was never bound', pod('a', { spec: { containers: [] } }), {}],
    ['that has ended', pod('a', { status: { phase: 'Succeeded' } }), {}],
  ])('deletes a pod %s at once', (_title, object, options) => {
    const store = createStore();
    store.create('pods', object);
    store.delete('pods', 'default', 'a', options);
    expect(store.get('pods', 'default', 'a')).toBeUndefined();
  });

  it('keeps an object with a finalizer until that is taken away', () => {
    const store = createStore();
    store.create('pods', { ...pod('a'), metadata: { name: 'a', namespace: 'default', finalizers: ['x'] } });
    store.remove('pods', 'default', 'a');
    expect(store.get('pods', 'default', 'a')!.metadata).toMatchObject({
      deletionGracePeriodSeconds: 0,
      finalizers: ['x'],
    });
    store.mutate('pods', 'default', 'a', ({ metadata }) => void delete metadata.finalizers);
    expect(store.get('pods', 'default', 'a')).toBeUndefined();
  });

  it('counts up an event that says the same again', () => {
    const store = createStore();
    const about = store.create('pods', pod('a'));
    const event = { type: 'Warning', reason: 'BackOff', message: 'm', component: 'kubelet' } as const;
    store.recordEvent(about, event);
    store.recordEvent(about, event);
    store.recordEvent(about, { ...event, message: 'other' });
    expect(
      store
        .list('events')
        .map(({ message, count }) => [message, count])
        .sort(),
    ).toEqual([
      ['m', 2],
      ['other', 1],
    ]);
  });
});
