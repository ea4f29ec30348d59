import { MirrordError, nearestWord } from '../errors';
import type { ContainerStatus, Pod } from './objects';

/** Containers that meshes and similar tools add: hardly ever what the app runs in. */
const SIDECARS = new Set([
  'kuma-sidecar',
  'kuma-init',
  'istio-proxy',
  'istio-init',
  'linkerd-proxy',
  'linkerd-init',
  'vault-agent',
  'vault-agent-init',
  'queue-proxy',
  'traffic-agent',
]);

export interface ContainerChoice {
  name: string;
  /** Whether it was picked among several without being named. */
  guessed: boolean;
}

/**
 * The container of a pod to be: the named one, the one the pod's own annotation names, or the first that is no sidecar.
 *
 * @throws MirrordError CONTAINER_NOT_FOUND
 */
export function chooseContainer(pod: Pod, wanted: string | undefined): ContainerChoice {
  const names = pod.spec.containers.map(({ name }) => name);
  if (wanted !== undefined) {
    if (names.includes(wanted)) return { name: wanted, guessed: false };
    const near = nearestWord(wanted, names);
    throw new MirrordError(
      'CONTAINER_NOT_FOUND',
      `Pod "${pod.metadata.name}" has no container "${wanted}".${near ? ` Did you mean "${near}"?` : ''}`,
      { hint: `Its containers are: ${names.join(', ')}.`, details: { pod: pod.metadata.name, containers: names } },
    );
  }
  const annotated = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (annotated && names.includes(annotated)) return { name: annotated, guessed: false };
  return { name: names.find((name) => !SIDECARS.has(name)) ?? names[0]!, guessed: names.length > 1 };
}

export function containerStatus(pod: Pod, name: string): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.find((status) => status.name === name);
}

const RUNTIMES = ['containerd', 'cri-o', 'docker'];

/**
 * Splits `containerd://0123…` into runtime and id.
 *
 * @throws MirrordError TARGET_RUNTIME_UNSUPPORTED
 */
export function parseContainerId(containerId: string): { runtime: string; id: string } {
  const [, runtime = '', id = ''] = /^([\w-]+):\/\/([\w.-]+)$/.exec(containerId) ?? [];
  if (RUNTIMES.includes(runtime)) return { runtime, id };
  throw new MirrordError(
    'TARGET_RUNTIME_UNSUPPORTED',
    `The target's container id "${containerId}" is of a runtime that is not supported.`,
    {
      hint: `Supported runtimes are: ${RUNTIMES.join(', ')}. Virtual nodes have none of them; choose a pod on a real node.`,
    },
  );
}
