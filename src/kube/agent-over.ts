import type { Cluster } from './cluster';
import type { AgentPort } from './dial-port-forward';
import { request } from './request';

/** Whether the agent's pod is gone, or has ended and is only kept for its log. Rejects when the cluster does not tell. */
export async function isPodOver(cluster: Cluster, { namespace, pod }: AgentPort): Promise<boolean> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}`;
  const operation = { verb: 'get', resource: 'pods', namespace };
  const { statusCode, body } = await request(cluster, { path, operation, timeoutMs: 5_000 }, [404]);
  return statusCode === 404 || ['Succeeded', 'Failed'].includes(body.status?.phase);
}
