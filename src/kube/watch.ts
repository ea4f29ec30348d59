import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMirrordError, type MirrordError } from '../errors';
import { apiError, parseFailure } from './api-errors';
import type { Cluster } from './cluster';
import type { Meta } from './objects';
import { openAuthorized, readText, request } from './request';

export interface WatchOptions<T> {
  /** Path of the collection. */
  path: string;
  query: Record<string, string>;
  /** Plural of the resource and its namespace, for messages. */
  resource: string;
  namespace: string;
  /** Called after every change with all objects there are. */
  onChange(objects: T[]): void;
  /**
   * Milliseconds without any event after which the collection is listed. A watch that has silently died, in a proxy on the
   * way, is found out by this.
   */
  listAfter?: number;
  signal: AbortSignal;
}

const BACKOFF = [50, 200, 1000];

/**
 * Follows a collection until the signal aborts; then it resolves. A watch that ends is opened again, one that is too old
 * (410) starts over from a list, and network failures are tried again.
 *
 * @throws MirrordError FORBIDDEN, CLUSTER_UNAUTHORIZED and others that trying again does not cure
 */
export async function watchObjects<T extends { metadata: Meta }>(
  cluster: Cluster,
  options: WatchOptions<T>,
): Promise<void> {
  const { signal } = options;
  const objects = new Map<string, T>();
  let listed = Promise.resolve();
  const list = () => {
    listed = relist(cluster, options, objects).catch(() => {});
  };
  const poll = setInterval(list, options.listAfter ?? 5000);
  try {
    for (let failures = 0; !signal.aborted; ) {
      try {
        // Without a version the server begins with what exists, so nothing is missed between two watches.
        await watchOnce(cluster, options, objects, () => {
          failures = 0;
          poll.refresh();
        });
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) throw error;
      }
      if (signal.aborted) return;
      list();
      await sleep(BACKOFF[Math.min(failures++, BACKOFF.length - 1)], undefined, { signal }).catch(() => {});
    }
  } finally {
    clearInterval(poll);
    await listed;
  }
}

function isPassing(error: unknown): boolean {
  if (!isMirrordError(error)) return true;
  if (error.code === 'CLUSTER_UNREACHABLE') return true;
  const status = Number(error.details?.status);
  return error.code === 'KUBE_API_ERROR' && (status === 410 || status === 429 || status >= 500);
}

/** Deletions that happened while no watch was open show only in a list. */
async function relist<T extends { metadata: Meta }>(
  cluster: Cluster,
  { path, query, resource, namespace, signal, onChange }: WatchOptions<T>,
  objects: Map<string, T>,
): Promise<void> {
  const operation = { verb: 'list', resource, namespace };
  const { body } = await request(cluster, { path, query, operation, signal, timeoutMs: 5000 });
  if (signal.aborted) return;
  objects.clear();
  for (const item of body.items as T[]) objects.set(item.metadata.uid, item);
  onChange([...objects.values()]);
}

async function watchOnce<T extends { metadata: Meta }>(
  cluster: Cluster,
  options: WatchOptions<T>,
  objects: Map<string, T>,
  onLine: () => void,
): Promise<void> {
  const { path, resource, namespace, signal } = options;
  const operation = { verb: 'watch', resource, namespace };
  const query = { ...options.query, watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: '300' };
  const { response } = await openAuthorized(cluster, { path, query, operation, signal });
  if (response.statusCode !== 200) {
    const failure = parseFailure(response.statusCode ?? 0, await readText(response, 5000));
    throw apiError(failure, operation, cluster.server, cluster.contextName);
  }
  for await (const line of lines(response)) {
    onLine();
    const { type, object } = JSON.parse(line) as { type: string; object: any };
    if (type === 'BOOKMARK') continue;
    if (type === 'ERROR') throw watchError(object, cluster, operation);
    if (type === 'DELETED') objects.delete(object.metadata.uid);
    else objects.set(object.metadata.uid, object);
    options.onChange([...objects.values()]);
  }
}

function watchError(status: any, cluster: Cluster, operation: { verb: string; resource: string; namespace: string }) {
  const { code = 500, message = '', reason } = status ?? {};
  return apiError(
    { statusCode: code, message, reason },
    operation,
    cluster.server,
    cluster.contextName,
  ) as MirrordError;
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of response) {
    const parts = (rest + decoder.write(chunk as Buffer)).split('\n');
    rest = parts.pop()!;
    for (const line of parts) if (line.trim() !== '') yield line;
  }
}
