import type { NamedTarget } from '../config/types';
import { MirrordError } from '../errors';
import { chooseContainer } from './choose-container';
import type { Cluster } from './cluster';
import type { Pod } from './objects';
import { describePod } from './pod-state';
import { describeChoice, explainChoice, type FoundTarget, targetPath } from './targets/describe-choice';
import { type PodQuery, podsOf } from './targets/pods-of';
import { rankPods } from './targets/rank-pods';
import { isAgent, listObjects, type Scope } from './targets/read-objects';
import { PODS } from './targets/resources';

export type { FoundTarget };

/**
 * The pod and container to be. Of a workload's pods: only ready ones, the newest template first.
 *
 * @throws MirrordError TARGET_NOT_FOUND, TARGET_NOT_READY, CONTAINER_NOT_FOUND, and what the API server answers
 */
export async function findTarget(
  cluster: Cluster,
  target: NamedTarget,
  namespace: string,
  signal?: AbortSignal,
): Promise<FoundTarget> {
  const [best] = await findTargets(cluster, target, namespace, signal);
  return best!;
}

/** As `findTarget`, with all pods that can be the target, the best first. Never empty. */
export async function findTargets(
  cluster: Cluster,
  target: NamedTarget,
  namespace: string,
  signal?: AbortSignal,
): Promise<FoundTarget[]> {
  const scope: Scope = { cluster, namespace, signal };
  const query = await podsOf(scope, target);
  return chooseTargets(query.pods ?? (await listObjects<Pod>(scope, PODS, query.query)), query, target, namespace);
}

/** @throws MirrordError TARGET_NOT_READY, CONTAINER_NOT_FOUND */
export function chooseTargets(listed: Pod[], query: PodQuery, target: NamedTarget, namespace: string): FoundTarget[] {
  const pods = listed.filter((pod) => !isAgent(pod));
  if (pods.length === 0)
    throw new MirrordError('TARGET_NOT_READY', query.whenEmpty.message, { hint: query.whenEmpty.hint });
  const ranked = rankPods(pods, target);
  if (ranked.length === 0) throw notReady(targetPath(target), pods, namespace);
  return ranked.map((pod) => {
    const { name } = chooseContainer(pod, target.container);
    return describeChoice(pod, target, namespace, explainChoice(target.kind, pod, name, pods.length, query.via));
  });
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
