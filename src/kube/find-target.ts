import type { Target } from '../config/types';
import { MirrordError, nearestWord } from '../errors';
import { chooseContainer, containerStatus } from './choose-container';
import type { Cluster } from './cluster';
import type { Pod } from './objects';
import { describePod } from './pod-state';
import { request } from './request';
import { labelSelector } from './selector';
import type { ChosenTarget } from './types';

type NamedTarget = Exclude<Target, { kind: 'targetless' }>;

export interface FoundTarget {
  target: ChosenTarget;
  /** A container was picked among several: worth a warning. */
  guessed: boolean;
}

/**
 * The pod and container to be. Of a deployment's pods: only ready ones, the newest template first. A pod that is named itself
 * only has to run: whoever names it may be after the reason why it is not ready.
 *
 * @throws MirrordError TARGET_NOT_FOUND, TARGET_NOT_READY, CONTAINER_NOT_FOUND, and what the API server answers
 */
export async function findTarget(
  cluster: Cluster,
  target: NamedTarget,
  namespace: string,
  signal?: AbortSignal,
): Promise<FoundTarget> {
  const path = `${target.kind}/${target.name}${target.container ? `/container/${target.container}` : ''}`;
  const pods =
    target.kind === 'pod'
      ? [await getObject<Pod>(cluster, 'pods', target.name, namespace, signal)]
      : await podsOfDeployment(cluster, target.name, namespace, signal);
  const usable = pods.filter((pod) => {
    const { name } = chooseContainer(pod, target.container);
    return isRunning(pod, name) && (target.kind === 'pod' || containerStatus(pod, name)?.ready === true);
  });
  const [pod] = sortByPreference(usable);
  if (!pod) throw notReady(path, pods, namespace);
  const { name: container, guessed } = chooseContainer(pod, target.container);
  const { containerID, ready } = containerStatus(pod, container)!;
  return {
    guessed,
    target: {
      path,
      namespace,
      pod: pod.metadata.name,
      podUid: pod.metadata.uid,
      podIP: pod.status?.podIP,
      container,
      containerId: containerID!,
      nodeName: pod.spec.nodeName ?? '',
      reason: explain(target.kind, pods.length, ready === true),
      volumeMounts: mountsOf(pod, container),
    },
  };
}

function explain(kind: NamedTarget['kind'], count: number, ready: boolean): string {
  if (kind === 'pod') return ready ? 'as named, ready' : 'as named, running, not ready';
  return count === 1 ? 'the only pod, ready' : `ready, of the newest template, first of ${count} pods`;
}

function mountsOf(pod: Pod, container: string): ChosenTarget['volumeMounts'] {
  const mounts = pod.spec.containers.find(({ name }) => name === container)?.volumeMounts ?? [];
  return mounts.map(({ mountPath, subPath, subPathExpr }) => ({
    path: mountPath,
    subPath: Boolean(subPath || subPathExpr),
  }));
}

function isRunning(pod: Pod, container: string): boolean {
  const status = containerStatus(pod, container);
  return (
    !pod.metadata.deletionTimestamp &&
    pod.status?.phase === 'Running' &&
    status?.state?.running !== undefined &&
    Boolean(status.containerID)
  );
}

/**
 * The newest template is the one with the newest pod. Ages of ReplicaSets would cost a request and a permission, and after
 * a roll-back they say the opposite.
 */
function sortByPreference(pods: Pod[]): Pod[] {
  const templateOf = (pod: Pod) => pod.metadata.labels?.['pod-template-hash'] ?? '';
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

async function podsOfDeployment(
  cluster: Cluster,
  name: string,
  namespace: string,
  signal: AbortSignal | undefined,
): Promise<Pod[]> {
  const deployment = await getObject<any>(cluster, 'deployments', name, namespace, signal);
  const pods = await listObjects<Pod>(cluster, 'pods', namespace, signal, labelSelector(deployment.spec.selector));
  if (pods.length > 0) return pods;
  const { replicas = 1 } = deployment.spec;
  throw new MirrordError(
    'TARGET_NOT_READY',
    `Deployment "${name}" in namespace "${namespace}" has no pods${replicas === 0 ? ': it is scaled to 0' : ''}.`,
    {
      hint:
        replicas === 0
          ? `Scale it up: kubectl -n ${namespace} scale deployment/${name} --replicas=1`
          : `See why: kubectl -n ${namespace} describe deployment ${name}`,
    },
  );
}

const COLLECTIONS: Record<string, string> = { pods: '/api/v1', deployments: '/apis/apps/v1' };

async function getObject<T>(
  cluster: Cluster,
  resource: string,
  name: string,
  namespace: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  const path = `${COLLECTIONS[resource]}/namespaces/${namespace}/${resource}/${name}`;
  const operation = { verb: 'get', resource, namespace };
  const { statusCode, body } = await request(cluster, { path, operation, signal }, [404]);
  if (statusCode === 404) throw await notFound(cluster, resource, name, namespace, body.message, signal);
  return body;
}

async function listObjects<T>(
  cluster: Cluster,
  resource: string,
  namespace: string,
  signal: AbortSignal | undefined,
  selector?: string,
): Promise<T[]> {
  const path = `${COLLECTIONS[resource]}/namespaces/${namespace}/${resource}`;
  const query: Record<string, string> = { limit: '500', ...(selector && { labelSelector: selector }) };
  const operation = { verb: 'list', resource, namespace };
  const { body } = await request(cluster, { path, query, operation, signal });
  return body.items ?? [];
}

async function notFound(
  cluster: Cluster,
  resource: string,
  name: string,
  namespace: string,
  words: string,
  signal: AbortSignal | undefined,
): Promise<MirrordError> {
  const kind = resource.slice(0, -1);
  // Only for the suggestion: whoever may not list gets the message without one.
  const names = await listObjects<{ metadata: { name: string } }>(cluster, resource, namespace, signal).then(
    // Our own agents are no targets.
    (items) => items.map(({ metadata }) => metadata.name).filter((known) => !known.startsWith('mirrord-agent-')),
    () => [],
  );
  const near = nearestWord(name, names) ?? names.find((known) => known.startsWith(name));
  return new MirrordError(
    'TARGET_NOT_FOUND',
    `There is no ${kind} "${name}" in namespace "${namespace}" (context "${cluster.contextName}").${near ? ` Did you mean "${kind}/${near}"?` : ''}`,
    {
      hint:
        names.length > 0
          ? `The ${resource} there are: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}.`
          : `That namespace shows no ${resource}. Is it the right one? Set it with MIRRORD_TARGET_NAMESPACE or "target.namespace".`,
      details: { kind, name, namespace, message: words },
    },
  );
}

function notReady(path: string, pods: Pod[], namespace: string): MirrordError {
  const lines = pods.slice(0, 10).map((pod) => `  ${pod.metadata.name}: ${describePod(pod)}`);
  return new MirrordError(
    'TARGET_NOT_READY',
    `No pod of ${path} in namespace "${namespace}" is ready:\n${lines.join('\n')}`,
    {
      hint: `See the events of a pod: kubectl -n ${namespace} describe pod ${pods[0]?.metadata.name ?? ''}`,
      details: { pods: pods.map(({ metadata }) => metadata.name) },
    },
  );
}
