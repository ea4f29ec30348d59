import type { Pod } from './objects';
import type { PlacedAgent } from './placement';
import { describeContainer, describePod } from './pod-state';

/**
 * What a start whose time is over was waiting for, and what is known of that.
 *
 * @param held why the Job has no pod, where it says so
 */
export function describeAwaited(placed: PlacedAgent | undefined, pod: Pod | undefined, held?: string): string {
  if (!placed) return 'its Job or container to be created';
  if (!pod) return ['a pod: it has no pod', held].filter(Boolean).join('; ');
  const what = placed.judge(pod).kind === 'running' ? 'an answer from it through a port-forward' : awaitedOf(pod);
  return `${what}: its pod "${pod.metadata.name}" is ${describeAgent(pod, placed.container)}`;
}

function awaitedOf({ spec }: Pod): string {
  return spec.nodeName ? 'its container to run' : 'a node';
}

/** In the target's pod the containers of the target are no news. */
function describeAgent(pod: Pod, container: string): string {
  const own = pod.status?.ephemeralContainerStatuses?.find(({ name }) => name === container);
  return own ? [pod.status?.phase, describeContainer(own)].filter(Boolean).join('; ') : describePod(pod);
}
