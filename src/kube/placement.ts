import type { AgentConfig } from '../config/types';
import type { AgentAddress } from './agent-container';
import type { Cluster } from './cluster';
import { placeEphemeral } from './ephemeral';
import type { Verdict } from './judge-pod';
import type { Pod } from './objects';
import { placeJob } from './place-job';
import type { ChosenTarget } from './types';

/** A way to bring an agent into the cluster: a Job beside the target, or a container inside its pod. */
export interface Placement {
  namespace: string;
  /** Selects the agent's pod among those of the namespace. */
  query: Record<string, string>;
  /** A command with which a person sees more. */
  inspect: string;
  /** The agent that runs already, if one does, and the pods that say so: one request. Undefined where that would take more. */
  find?(cluster: Cluster, signal?: AbortSignal): Promise<{ placed: PlacedAgent; pods: Pod[] } | undefined>;
  /**
   * Makes the agent, or finds the one that is there. Without `signal` on the request itself: one that is cut short may
   * still have been carried out.
   *
   * @param deadline milliseconds since the epoch
   */
  ensure(cluster: Cluster, deadline: number, signal?: AbortSignal): Promise<PlacedAgent>;
  /** Further lines for the message when the agent's pod failed. Never rejects. */
  explain?(cluster: Cluster, pod: Pod): Promise<string[]>;
  /** After a start that failed: takes away what this very start made, even when the answer to it got lost. */
  removeOwn(cluster: Cluster): Promise<unknown>;
  /** For whoever has to do that when this process dies; undefined when nothing can be taken away. */
  own?: { namespace: string; jobName: string; startId: string };
}

export interface PlacedAgent extends AgentAddress {
  /** Of the object that the cluster's events are about as long as there is no pod. */
  uid: string;
  image: string;
  /** False when the agent was there and is joined. */
  created: boolean;
  /** Name of the agent's container. */
  container: string;
  owns(pod: Pod): boolean;
  judge(pod: Pod): Verdict;
  /** As long as there is no pod: whether there can still be one. */
  judgeOwner?(cluster: Cluster, signal: AbortSignal): Promise<Verdict>;
  /** Takes it away, whoever made it: it is of no use to anybody. */
  remove(cluster: Cluster): Promise<void>;
}

export function placeAgent(config: AgentConfig, target: ChosenTarget | undefined, namespace: string): Placement {
  return config.ephemeral && target ? placeEphemeral(config, target) : placeJob(config, target, namespace);
}
