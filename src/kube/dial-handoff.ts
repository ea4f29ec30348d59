import { isPodOver } from './agent-over';
import { type Cluster, openCluster } from './cluster';
import { createDial } from './dial-agent';
import type { DialHandoff } from './types';

/**
 * How a process reaches an agent that another one started. The kubeconfig is read and the server's name resolved at the
 * first dial, and kept.
 */
export const dialHandoff: DialHandoff = (handoff) => {
  let opened: Promise<Cluster> | undefined;
  const open = () => {
    opened ??= openCluster(handoff).catch((error) => {
      // The next dial tries afresh: the network may be back, the kubeconfig corrected.
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return { dial: createDial(open, handoff), isOver: async () => isPodOver(await open(), handoff) };
};
