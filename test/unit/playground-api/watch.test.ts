import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStore } from '../../../src/playground/store';
import { createWatchLog } from '../../../src/playground/watch-log';
import { type Cluster, startCluster } from './support';

let cluster: Cluster;
const open: ClientRequest[] = [];
beforeEach(async () => {
  cluster = await startCluster();
});
afterEach(async () => {
  for (const request of open.splice(0)) request.destroy();
  await cluster.server.close();
});

const PODS = '/api/v1/namespaces/default/pods';

interface Watch {
  events: any[];
  response: IncomingMessage;
  /** Names with the kind of event, for short. */
  seen(): string[];
}

/** Opens a watch and returns as soon as its headers are there. */
function watch(query: string, headers: Record<string, string> = {}): Promise<Watch> {
  const { caPem: ca, port, token } = cluster.server;
  const path = `${PODS}?watch=1&${query}`;
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      ca,
      path,
      agent: false,
      headers: { authorization: `Bearer ${token}`, ...headers },
    };
    const request = httpsRequest(options, (response) => {
      const events: any[] = [];
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
        const lines = text.split('\n');
        text = lines.pop()!;
        events.push(...lines.map((line) => JSON.parse(line)));
      });
      response.on('error', () => {});
      resolve({
        events,
        response,
        seen: () => events.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`.trim()),
      });
    });
    request.on('error', reject).end();
    open.push(request);
  });
}

function createPod(name: string, labels: Record<string, string> = {}): void {
  cluster.store.create('pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: { containers: [{ name: 'c' }] },
  });
}

const relabel = (name: string, labels: Record<string, string>) =>
  cluster.store.mutate('pods', 'default', name, ({ metadata }) => void Object.assign(metadata, { labels }));

describe('a watch', () => {
  it('sends its headers at once, though nothing happens', async () => {
    const { response } = await watch('resourceVersion=' + (await revision()));
    expect(response.headers['transfer-encoding']).toBe('chunked');
  });

  it('begins with all there is when no version is named', async () => {
    createPod('a');
    const { seen } = await watch('');
    createPod('b');
    await expect.poll(seen).toEqual(['ADDED a', 'ADDED b']);
  });

  it('goes on after the version of a list, without gap or repetition', async () => {
    createPod('a');
    const { metadata } = (await cluster.call('GET', PODS)).json;
    createPod('b');
    cluster.store.remove('pods', 'default', 'a');
    const { seen } = await watch(`resourceVersion=${metadata.resourceVersion}`);
    createPod('c');
    await expect.poll(seen).toEqual(['ADDED b', 'DELETED a', 'ADDED c']);
  });

  it('shows an object that starts or stops matching as added or deleted', async () => {
    createPod('a', { app: 'x' });
    const { seen, events } = await watch('labelSelector=app%3Dweb');
    relabel('a', { app: 'web' });
    relabel('a', { app: 'web', more: '1' });
    relabel('a', { app: 'y' });
    relabel('a', { app: 'z' });
    createPod('b', { app: 'web' });
    await expect.poll(seen).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED b']);
    expect(Number(events[2].object.metadata.resourceVersion)).toBeGreaterThan(
      Number(events[1].object.metadata.resourceVersion),
    );
  });

  it('follows one object by its name', async () => {
    const { seen } = await watch('fieldSelector=metadata.name%3Db');
    createPod('a');
    createPod('b');
    await expect.poll(seen).toEqual(['ADDED b']);
  });

  it('ends after timeoutSeconds, with a bookmark for who asked', async () => {
    const { response, events } = await watch(
      'timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=' + (await revision()),
    );
    await new Promise((resolve) => response.once('end', resolve));
    expect(events).toEqual([
      { type: 'BOOKMARK', object: { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion: await revision() } } },
    ]);
  });

  it('marks the end of the initial events', async () => {
    createPod('a');
    const { events, seen } = await watch(
      'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    );
    await expect.poll(seen).toEqual(['ADDED a', 'BOOKMARK']);
    expect(events[1].object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
  });

  it('speaks in tables, and names the columns once', async () => {
    createPod('a');
    const { events } = await watch('', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    createPod('b');
    await expect.poll(() => events.length).toBe(2);
    expect(events[0].object.columnDefinitions.map(({ name }: any) => name)).toContain('Restarts');
    expect(events[1].object).toMatchObject({
      kind: 'Table',
      columnDefinitions: null,
      rows: [{ cells: expect.arrayContaining(['b']) }],
    });
  });
});

async function revision(): Promise<string> {
  return (await cluster.call('GET', PODS)).json.metadata.resourceVersion;
}

describe('the log behind the watches', () => {
  it('remembers as many changes as it may, and says from where', () => {
    const store = createStore();
    const log = createWatchLog(store, { size: 4 });
    const add = (name: string) =>
      store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } });
    for (const name of ['a', 'b', 'c', 'd']) add(name);
    expect(log).toMatchObject({ oldest: 1, revision: 4 });
    add('e');
    expect(log.oldest).toBeGreaterThan(1);
    expect(log.since('configmaps', log.oldest).map(({ object }) => object.metadata.name)).toEqual(['c', 'd', 'e']);
  });
});
