import type { Cluster } from './cluster';
import { request } from './request';

/** Milliseconds for each look: evidence makes a message better and must not make it late. */
const TIMEOUT = 2000;

/** The last events about an object as `Reason: message`, oldest first; empty when they may not be read. */
export async function eventsOf(
  cluster: Cluster,
  namespace: string,
  uid: string,
): Promise<{ type: string; reason: string; message: string }[]> {
  try {
    const { body } = await request(cluster, {
      path: `/api/v1/namespaces/${namespace}/events`,
      query: { fieldSelector: `involvedObject.uid=${uid}`, limit: '50' },
      operation: { verb: 'list', resource: 'events', namespace },
      timeoutMs: TIMEOUT,
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const time = (event: any) => Date.parse(event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? 0) || 0;
    return (body.items as any[]).sort((a, b) => time(a) - time(b)).slice(-5);
  } catch {
    return [];
  }
}

/** The last lines of the agent's log; empty when there is none yet or it may not be read. */
export async function logTail(cluster: Cluster, namespace: string, pod: string, container: string): Promise<string[]> {
  try {
    const { body } = await request(cluster, {
      path: `/api/v1/namespaces/${namespace}/pods/${pod}/log`,
      query: { container, tailLines: '10', limitBytes: '8192' },
      operation: { verb: 'get', resource: 'pods/log', namespace },
      timeoutMs: TIMEOUT,
      signal: AbortSignal.timeout(TIMEOUT),
    });
    return String(body).split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

/** How full a node is with pods; empty for whoever may not see nodes. */
export async function countPods(cluster: Cluster, node: string): Promise<string[]> {
  const look = (path: string, verb: string, resource: string, query?: Record<string, string>) =>
    request(cluster, {
      path,
      query,
      operation: { verb, resource, namespace: undefined },
      timeoutMs: TIMEOUT,
      signal: AbortSignal.timeout(TIMEOUT),
    });
  try {
    const [{ body }, pods] = await Promise.all([
      look(`/api/v1/nodes/${node}`, 'get', 'nodes'),
      look('/api/v1/pods', 'list', 'pods', {
        fieldSelector: `spec.nodeName=${node},status.phase!=Succeeded,status.phase!=Failed`,
      }).catch(() => undefined),
    ]);
    const limit = body.status?.allocatable?.pods;
    if (!limit) return [];
    return [`  node ${node} takes ${limit} pods${pods ? ` and has ${pods.body.items.length}` : ''}`];
  } catch {
    return [];
  }
}
