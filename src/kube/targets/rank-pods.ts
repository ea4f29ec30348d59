import type { NamedTarget } from '../../config/types';
import { chooseContainer, containerStatus } from '../choose-container';
import type { Pod } from '../objects';
import { isAgent } from './read-objects';

/**
 * The pods that can be the target, best first. Of a workload only ready ones. A pod that is named itself only has to run:
 * whoever names it may be after the reason why it is not ready.
 *
 * @throws MirrordError CONTAINER_NOT_FOUND
 */
export function rankPods(pods: Pod[], { kind, container }: NamedTarget): Pod[] {
  const usable = pods.filter((pod) => {
    if (isAgent(pod) || !mayServe(pod)) return false;
    const { name } = chooseContainer(pod, container);
    return isRunning(pod, name) && (kind === 'pod' || containerStatus(pod, name)?.ready === true);
  });
  return sortByPreference(usable);
}

/** Whether a container of a pod runs and goes on running, as far as the pod says. */
export function isRunning(pod: Pod, container: string): boolean {
  const status = containerStatus(pod, container);
  return mayServe(pod) && status?.state?.running !== undefined && Boolean(status.containerID);
}

function mayServe(pod: Pod): boolean {
  return !pod.metadata.deletionTimestamp && pod.status?.phase === 'Running';
}

/** What each kind of controller marks the pods of one template with. */
const TEMPLATE_LABELS = ['pod-template-hash', 'rollouts-pod-template-hash', 'controller-revision-hash'];

/**
 * The newest template is the one with the newest pod. Ages of ReplicaSets would cost a request and a permission, and after
 * a roll-back they say the opposite.
 */
function sortByPreference(pods: Pod[]): Pod[] {
  const templateOf = ({ metadata: { labels = {} } }: Pod) => TEMPLATE_LABELS.map((key) => labels[key] ?? '').join();
  const newest = new Map<string, number>();
  for (const pod of pods) {
    const born = Date.parse(pod.metadata.creationTimestamp);
    newest.set(templateOf(pod), Math.max(newest.get(templateOf(pod)) ?? 0, born));
  }
  return [...pods].sort(
    (a, b) =>
      newest.get(templateOf(b))! - newest.get(templateOf(a))! ||
      // Beyond that the choice is the same each time, so that a restart meets the warm agent of the last run.
      a.metadata.name.localeCompare(b.metadata.name),
  );
}
