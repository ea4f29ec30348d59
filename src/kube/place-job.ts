import type { AgentConfig } from '../config/types';
import { CONTAINER_NAME } from './agent-container';
import { countPods } from './agent-evidence';
import { planAgent } from './agent-job';
import { deleteJob, type EnsuredJob, ensureJob, findJob, getJob, removeOwnJob } from './ensure-job';
import { judgeJob } from './judge-job';
import { judgePod } from './judge-pod';
import type { PlacedAgent, Placement } from './placement';
import type { ChosenTarget } from './types';

/** The agent as a Job, pinned to the target's node. */
export function placeJob(config: AgentConfig, target: ChosenTarget | undefined, namespace: string): Placement {
  const plan = planAgent(config, target, namespace);
  const placed = ({ job, ...ensured }: EnsuredJob): PlacedAgent => {
    const { uid } = job.metadata;
    return {
      ...ensured,
      uid,
      container: CONTAINER_NAME,
      // Pods of an earlier Job of the same name are left out.
      owns: ({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false,
      judge: judgePod,
      judgeOwner: async (cluster, signal) => judgeJob(await getJob(cluster, plan, signal), uid),
      remove: (cluster) => deleteJob(cluster, plan, uid),
    };
  };
  return {
    namespace,
    query: { labelSelector: `job-name=${plan.jobName}` },
    inspect: `kubectl -n ${namespace} describe job ${plan.jobName}`,
    explain: async (cluster, pod) =>
      config.checkOutOfPods && pod.status?.reason === 'OutOfpods' ? countPods(cluster, pod.spec.nodeName ?? '') : [],
    async find(cluster, signal) {
      const found = await findJob(cluster, plan, signal);
      return found && placed(found);
    },
    ensure: async (cluster, deadline, signal) => placed(await ensureJob(cluster, plan, deadline, signal)),
    removeOwn: (cluster) => removeOwnJob(cluster, plan),
    own: { namespace, jobName: plan.jobName, startId: plan.startId },
  };
}
