import type { NamedTarget } from '../../config/types';
import { chooseContainer, containerStatus } from '../choose-container';
import type { Pod } from '../objects';
import type { ChosenTarget } from '../types';

export interface FoundTarget {
  target: ChosenTarget;
  /** A container was picked among several: worth a warning. */
  guessed: boolean;
}

/** As the user would write it: `deployment/web/container/app`. */
export function targetPath({ kind, name, container }: NamedTarget): string {
  return `${kind}/${name}${container ? `/container/${container}` : ''}`;
}

/** All that is known of a pod that was chosen. Its container runs. */
export function describeChoice(pod: Pod, target: NamedTarget, namespace: string, reason: string): FoundTarget {
  const { name: container, guessed } = chooseContainer(pod, target.container);
  return {
    guessed,
    target: {
      path: targetPath(target),
      namespace,
      pod: pod.metadata.name,
      podUid: pod.metadata.uid,
      podIP: pod.status?.podIP,
      container,
      containerId: containerStatus(pod, container)!.containerID!,
      nodeName: pod.spec.nodeName ?? '',
      hostNetwork: pod.spec.hostNetwork === true,
      reason,
      ports: portsOf(pod),
      volumeMounts: mountsOf(pod, container),
    },
  };
}

/** Why this pod, in one line. */
export function explainChoice(kind: NamedTarget['kind'], pod: Pod, container: string, count: number, via?: string) {
  const ready = containerStatus(pod, container)?.ready === true;
  const why =
    kind === 'pod'
      ? `as named, ${ready ? 'ready' : 'running, not ready'}`
      : count === 1
        ? 'the only pod, ready'
        : `ready, of the newest template, first of ${count} pods`;
  return via ? `${via}: ${why}` : why;
}

function mountsOf(pod: Pod, container: string): ChosenTarget['volumeMounts'] {
  const mounts = pod.spec.containers.find(({ name }) => name === container)?.volumeMounts ?? [];
  return mounts.map(({ mountPath, subPath, subPathExpr }) => ({
    path: mountPath,
    subPath: Boolean(subPath || subPathExpr),
  }));
}

function portsOf({ spec }: Pod): number[] {
  // Sidecars are among the init containers.
  const ports = [...spec.containers, ...(spec.initContainers ?? [])].flatMap((container) => container.ports ?? []);
  return ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP').map(({ containerPort }) => containerPort);
}
