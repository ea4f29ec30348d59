import type { Container, ContainerStatus, Pod } from './objects';
import { describeContainer, describeEnd, describePod } from './pod-state';

/** What a pod of the agent's Job shows. `over` cannot come up any more. */
export type Verdict =
  | { kind: 'waiting'; what?: string }
  | { kind: 'running' }
  /** May still pass, when the cluster grows by a node. */
  | { kind: 'unschedulable'; message: string }
  | { kind: 'over'; code: string; message: string; hint?: string };

const PULL_REASONS = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError'];
const START_REASONS = ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError', 'CrashLoopBackOff'];

/** Of a pod that holds the agent alone. */
export function judgePod(pod: Pod): Verdict {
  return judgeContainer(pod, pod.spec.containers[0], pod.status?.containerStatuses?.[0]);
}

export function judgeContainer(pod: Pod, container: Container | undefined, of: ContainerStatus | undefined): Verdict {
  const { status } = pod;
  const { waiting, running, terminated } = of?.state ?? {};
  // Before how it ended: the exit code of a process that was evicted tells nothing.
  const disruption = describeDisruption(pod);
  if (disruption) return { kind: 'over', code: 'AGENT_FAILED', message: disruption, hint: DISRUPTION_HINT };
  if (terminated) {
    return { kind: 'over', code: 'AGENT_FAILED', message: `The agent ended: ${describeEnd(terminated)}.` };
  }
  if (pod.metadata.deletionTimestamp) {
    return { kind: 'over', code: 'AGENT_FAILED', message: `The agent's pod "${pod.metadata.name}" is being deleted.` };
  }
  if (status?.phase === 'Failed') return refusedByNode(pod);
  if (status?.phase === 'Succeeded') return { kind: 'over', code: 'AGENT_FAILED', message: 'The agent has ended.' };
  if (running) return { kind: 'running' };
  if (waiting?.reason && PULL_REASONS.includes(waiting.reason)) return pullFailure(container?.image, waiting);
  if (waiting?.reason && START_REASONS.includes(waiting.reason)) {
    return { kind: 'over', code: 'AGENT_FAILED', message: `The agent does not start: ${describeContainer(of!)}.` };
  }
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { kind: 'unschedulable', message: scheduled.message ?? 'no node fits' };
  }
  return { kind: 'waiting' };
}

const DISRUPTION_HINT =
  'Try again. Where it goes on: "agent.priority_class", other "agent.resources", or a target on another node.';

/** Somebody took the pod away from its node: the kubelet for want of resources, the scheduler for another pod, a drain. */
function describeDisruption({ metadata, status }: Pod): string | undefined {
  const evicted = status?.phase === 'Failed' && status.reason === 'Evicted';
  const target = status?.conditions?.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  if (!evicted && !target) return undefined;
  const words = [evicted && `Evicted: ${status.message}`, target && `${target.reason}: ${target.message}`];
  return `The agent's pod "${metadata.name}" was taken off its node: ${words.filter(Boolean).join('; ')}.`;
}

/** `OutOfpods`, `OutOfcpu`, `NodeAffinity` and the like: the kubelet's own admission. */
function refusedByNode(pod: Pod): Verdict {
  return {
    kind: 'over',
    code: 'AGENT_REJECTED',
    message: `The node "${pod.spec.nodeName}" did not take the agent's pod: ${describePod(pod)}.`,
    hint: 'The node may be full. An agent inside the target\'s pod needs no room on it: "agent.ephemeral": true or --ephemeral. Or choose a pod on another node, or lower "agent.resources".',
  };
}

function pullFailure(image: string | undefined, waiting: { reason?: string; message?: string }): Verdict {
  return {
    kind: 'over',
    code: 'AGENT_IMAGE_PULL',
    message: `The agent's image "${image}" cannot be pulled (${waiting.reason}): ${waiting.message ?? 'no message'}`,
    hint: 'Name an image that the cluster can pull with "agent.image" or MIRRORD_AGENT_IMAGE, and its secret with "agent.image_pull_secrets".',
  };
}
