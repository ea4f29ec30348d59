import type { MirrordError } from '../errors';
import type { Dial } from '../tunnel/transport';
import type { Cluster } from './cluster';
import { type AgentPort, dialPortForward } from './dial-port-forward';

/** A `Dial` for a port of a pod. Credentials are renewed once when the server does not accept them. */
export function createDial(openCluster: () => Promise<Cluster>, agent: AgentPort): Dial {
  return async (signal) => {
    const cluster = await openCluster();
    await cluster.keepFresh();
    try {
      return await dialPortForward(cluster, agent, signal);
    } catch (error) {
      if ((error as MirrordError).code !== 'CLUSTER_UNAUTHORIZED') throw error;
      await cluster.renewCredentials();
      return dialPortForward(cluster, agent, signal);
    }
  };
}
