import type { Pod } from './objects';
import { describeEnd, describePod } from './pod-state';

/** What a pod of the agent's Job shows. `over` cannot come up any more. */
export type Verdict =
  | { kind: 'waiting' }
  | { kind: 'running' }
  /** May still pass, when the cluster grows by a node. */
  | { kind: 'unschedulable'; message: string }
  | { kind: 'over'; code: string; message: string; hint?: string };

const PULL_REASONS = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError'];
const START_REASONS = ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError', 'CrashLoopBackOff'];

export function judgePod(pod: Pod): Verdict {
  const { status } = pod;
  const [container] = status?.containerStatuses ?? [];
  const { waiting, running, terminated } = container?.state ?? {};
  if (terminated) {
    return { kind: 'over', code: 'AGENT_FAILED', message: `The agent ended: ${describeEnd(terminated)}.` };
  }
  if (pod.metadata.deletionTimestamp) {
    return { kind: 'over', code: 'AGENT_FAILED', message: `The agent's pod "${pod.metadata.name}" is being deleted.` };
  }
  if (status?.phase === 'Failed') return refusedByNode(pod);
  if (status?.phase === 'Succeeded') return { kind: 'over', code: 'AGENT_FAILED', message: 'The agent has ended.' };
  if (running) return { kind: 'running' };
  if (waiting?.reason && PULL_REASONS.includes(waiting.reason)) return pullFailure(pod, waiting);
  if (waiting?.reason && START_REASONS.includes(waiting.reason)) {
    return { kind: 'over', code: 'AGENT_FAILED', message: `The agent does not start: ${describePod(pod)}.` };
  }
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { kind: 'unschedulable', message: scheduled.message ?? 'no node fits' };
  }
  return { kind: 'waiting' };
}

/** `OutOfpods`, `OutOfcpu`, `NodeAffinity` and the like: the kubelet's own admission. */
function refusedByNode(pod: Pod): Verdict {
  return {
    kind: 'over',
    code: 'AGENT_REJECTED',
    message: `The node "${pod.spec.nodeName}" did not take the agent's pod: ${describePod(pod)}.`,
    hint: 'The node may be full. Choose a pod on another node, or lower "agent.resources".',
  };
}

function pullFailure(pod: Pod, waiting: { reason?: string; message?: string }): Verdict {
  const image = pod.spec.containers[0]?.image;
  return {
    kind: 'over',
    code: 'AGENT_IMAGE_PULL',
    message: `The agent's image "${image}" cannot be pulled (${waiting.reason}): ${waiting.message ?? 'no message'}`,
    hint: 'Name an image that the cluster can pull with "agent.image" or MIRRORD_AGENT_IMAGE, and its secret with "agent.image_pull_secrets".',
  };
}
