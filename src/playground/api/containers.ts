import { badRequest } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';

const names = (list: any[] | undefined): string[] => (list ?? []).map(({ name }) => name);

/**
 * The container a request means.
 *
 * @throws StatusError 400 when it has to be said, or does not exist.
 */
export function chooseContainer({ metadata, spec }: KubeObject, wanted: string | null): string {
  const regular = names(spec.containers);
  const init = names(spec.initContainers);
  const ephemeral = names(spec.ephemeralContainers);
  if (wanted) {
    if ([...regular, ...init, ...ephemeral].includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${metadata.name}`);
  }
  if (regular.length === 1) return regular[0]!;
  let choice = `choose one of: [${regular.join(' ')}]`;
  if (init.length > 0) choice += ` or one of the init containers: [${init.join(' ')}]`;
  if (ephemeral.length > 0) choice += ` or one of the ephemeral containers: [${ephemeral.join(' ')}]`;
  throw badRequest(`a container name must be specified for pod ${metadata.name}, ${choice}`);
}

export function containerStatus({ status }: KubeObject, container: string): any {
  const lists = [status?.containerStatuses, status?.initContainerStatuses, status?.ephemeralContainerStatuses];
  return lists.flatMap((list) => list ?? []).find(({ name }) => name === container);
}

export function isRunning(pod: KubeObject, container: string): boolean {
  return Boolean(containerStatus(pod, container)?.state?.running);
}

const WAITING: Record<string, string> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

/** @throws StatusError 400 when the container has not begun, so that there is nothing to read yet. */
export function requireStarted(pod: KubeObject, container: string, previous: boolean): void {
  const status = containerStatus(pod, container);
  const quoted = `container "${container}" in pod "${pod.metadata.name}"`;
  if (previous) {
    if (status?.lastState?.terminated) return;
    throw badRequest(`previous terminated ${quoted} not found`);
  }
  const hasRun = status?.state?.running || status?.state?.terminated || status?.lastState?.terminated;
  if (hasRun) return;
  if (!pod.spec.nodeName)
    throw new StatusError(400, 'BadRequest', `pod ${pod.metadata.name} does not have a host assigned`);
  const reason = status?.state?.waiting?.reason ?? 'ContainerCreating';
  throw badRequest(`${quoted} is waiting to start: ${WAITING[reason] ?? reason}`);
}
