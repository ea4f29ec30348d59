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
export async function logTail(cluster: Cluster, namespace: string, pod: string): Promise<string[]> {
  try {
    const { body } = await request(cluster, {
      path: `/api/v1/namespaces/${namespace}/pods/${pod}/log`,
      query: { tailLines: '10', limitBytes: '8192' },
      operation: { verb: 'get', resource: 'pods/log', namespace },
      timeoutMs: TIMEOUT,
      signal: AbortSignal.timeout(TIMEOUT),
    });
    return String(body).split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
