import type { NamedTarget } from '../config/types';
import { isMirrordError } from '../errors';
import { chooseContainer, containerStatus } from './choose-container';
import type { Cluster } from './cluster';
import { chooseTargets } from './find-target';
import type { Pod } from './objects';
import { isRunning } from './targets/rank-pods';
import { isAgent } from './targets/read-objects';
import { type WatchedPods, watchedPods } from './targets/watched-pods';
import type { ChosenTarget, TargetPods } from './types';
import { watchObjects } from './watch';

/** Milliseconds without an event after which the pods are listed: a session lasts for hours, and nothing depends on this. */
const LIST_AFTER = 60_000;

/**
 * Watches the pods of a target until the signal aborts.
 *
 * @throws MirrordError FORBIDDEN and others of the API; TARGET_NOT_FOUND when the workload is gone
 */
export async function followTarget(
  cluster: Cluster,
  target: NamedTarget,
  namespace: string,
  onChange: (pods: TargetPods) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = await watchedPods({ cluster, namespace, signal }, target);
  await watchObjects<Pod>(cluster, {
    path: `/api/v1/namespaces/${namespace}/pods`,
    query: query.query,
    resource: 'pods',
    namespace,
    listAfter: LIST_AFTER,
    whole: true,
    signal,
    onChange: (pods) => onChange(seen(pods, query, target, namespace)),
  });
}

function seen(pods: Pod[], query: WatchedPods, target: NamedTarget, namespace: string): TargetPods {
  const there = pods.filter((pod) => !isAgent(pod) && !pod.metadata.deletionTimestamp);
  const runs = query.runs?.(there) ?? [there];
  const staying = runs.flat();
  return {
    ready: runs.map((run) => readyOf(run, query, target, namespace)).find((ready) => ready.length > 0) ?? [],
    staying: new Set(staying.flatMap((pod) => runningContainer(pod, target))),
    names: new Set(staying.map(({ metadata }) => metadata.name)),
  };
}

function readyOf(pods: Pod[], query: WatchedPods, target: NamedTarget, namespace: string): ChosenTarget[] {
  try {
    return chooseTargets(pods, query, target, namespace).map((found) => found.target);
  } catch (error) {
    // None is ready, or the container that was named is in none of them any more.
    if (isMirrordError(error)) return [];
    throw error;
  }
}

function runningContainer(pod: Pod, { container }: NamedTarget): string[] {
  const name = container ?? chooseContainer(pod, undefined).name;
  const id = containerStatus(pod, name)?.containerID;
  return id && isRunning(pod, name) ? [id] : [];
}
