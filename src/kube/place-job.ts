import type { AgentConfig } from '../config/types';
import { type AgentAddress, CONTAINER_NAME, readAgentContainer } from './agent-container';
import { countPods } from './agent-evidence';
import { planAgent } from './agent-job';
import { deleteJob, ensureJob, getJob, removeOwnJob } from './ensure-job';
import { judgeJob } from './judge-job';
import { judgePod } from './judge-pod';
import type { Pod } from './objects';
import type { PlacedAgent, Placement } from './placement';
import { listObjects } from './targets/read-objects';
import { PODS } from './targets/resources';
import type { ChosenTarget } from './types';

/** The agent as a Job, pinned to the target's node. */
export function placeJob(config: AgentConfig, target: ChosenTarget | undefined, namespace: string): Placement {
  const plan = planAgent(config, target, namespace);
  const query = { labelSelector: `job-name=${plan.jobName}` };
  const placed = (uid: string, agent: AgentAddress & Pick<PlacedAgent, 'image' | 'created'>): PlacedAgent => ({
    ...agent,
    uid,
    container: CONTAINER_NAME,
    // Pods of an earlier Job of the same name are left out.
    owns: ({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false,
    judge: judgePod,
    judgeOwner: async (cluster, signal) => judgeJob(await getJob(cluster, plan, signal), uid),
    remove: (cluster) => deleteJob(cluster, plan, uid),
  });
  const ownerOf = ({ metadata }: Pod) =>
    metadata.ownerReferences?.find(({ kind, name }) => kind === 'Job' && name === plan.jobName)?.uid;
  return {
    namespace,
    query,
    inspect: `kubectl -n ${namespace} describe job ${plan.jobName}`,
    explain: async (cluster, pod) =>
      config.checkOutOfPods && pod.status?.reason === 'OutOfpods' ? countPods(cluster, pod.spec.nodeName ?? '') : [],
    async find(cluster, signal) {
      const pods = await listObjects<Pod>({ cluster, namespace, signal }, PODS, query);
      const pod = pods.find((pod) => judgePod(pod).kind === 'running');
      const [uid, agent] = [pod && ownerOf(pod), readAgentContainer(pod?.spec.containers[0])];
      return uid && agent ? { placed: placed(uid, { ...agent, created: false }), pods } : undefined;
    },
    async ensure(cluster, deadline, signal) {
      const { job, ...agent } = await ensureJob(cluster, plan, deadline, signal);
      return placed(job.metadata.uid, agent);
    },
    removeOwn: (cluster) => removeOwnJob(cluster, plan),
    own: { namespace, jobName: plan.jobName, startId: plan.startId },
  };
}
