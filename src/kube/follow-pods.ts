import { setTimeout as sleep } from 'node:timers/promises';
import type { NamedTarget, Target } from '../config/types';
import { containerStatus } from './choose-container';
import type { Cluster } from './cluster';
import { chooseTargets, findTargets } from './find-target';
import type { Pod } from './objects';
import { describePod } from './pod-state';
import { podsOf } from './targets/pods-of';
import { isRunning, rankPods } from './targets/rank-pods';
import { collection, type Scope } from './targets/read-objects';
import { PODS } from './targets/resources';
import type { ChosenTarget, TargetPods } from './types';
import { watchObjects } from './watch';

/** Milliseconds without news after which a pod is looked at, should its watch have died silently. */
const LOOK_AFTER = 30_000;
/** Milliseconds before a watch that could not be opened is tried again. */
const WATCH_AGAIN = 2_000;

export function followPods(
  cluster: Cluster,
  target: Target,
  namespace: string,
  start: TargetPods['start'],
): TargetPods {
  return {
    start,
    async find(signal) {
      if (target.kind === 'targetless') return [undefined];
      return (await findTargets(cluster, target, namespace, signal)).map((found) => found.target);
    },
    untilLeaving: (chosen, signal) => untilLeaving(cluster, chosen, signal),
    async watch(onChange, signal) {
      while (target.kind !== 'targetless' && !signal.aborted) {
        await watchUsable({ cluster, namespace, signal }, target, onChange).catch(() => {});
        await sleep(WATCH_AGAIN, undefined, { signal }).catch(() => {});
      }
    },
  };
}

async function watchUsable(
  scope: Scope & { namespace: string; signal: AbortSignal },
  target: NamedTarget,
  onChange: (targets: ChosenTarget[]) => void,
): Promise<void> {
  const { cluster, namespace, signal } = scope;
  const found = await podsOf(scope, target);
  await watchObjects<Pod>(cluster, {
    path: collection(PODS, namespace),
    query: found.query,
    resource: 'pods',
    namespace,
    listAfter: LOOK_AFTER,
    signal,
    onChange(pods) {
      const usable = rankPods(pods, target).length > 0 ? chooseTargets(pods, found, target, namespace) : [];
      onChange(usable.map((choice) => choice.target));
    },
  });
}

async function untilLeaving(cluster: Cluster, chosen: ChosenTarget, signal: AbortSignal): Promise<string> {
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  let why: string | undefined;
  try {
    await watchObjects<Pod>(cluster, {
      path: collection(PODS, chosen.namespace),
      query: { fieldSelector: `metadata.name=${chosen.pod}` },
      resource: 'pods',
      namespace: chosen.namespace,
      listAfter: LOOK_AFTER,
      signal: stop.signal,
      onChange(pods) {
        why = whyLeaving(pods, chosen);
        if (why) end();
      },
    });
  } catch {
    // Without the right to watch, the end of the agent's link tells it some seconds later.
    await new Promise((resolve) => (signal.aborted ? resolve(0) : signal.addEventListener('abort', resolve)));
  } finally {
    signal.removeEventListener('abort', end);
  }
  return why ?? 'it is not followed any more';
}

/** Undefined while the container runs on. A pod that only stopped being ready is still the target. */
function whyLeaving(pods: Pod[], { podUid, container, containerId }: ChosenTarget): string | undefined {
  const pod = pods.find(({ metadata }) => metadata.uid === podUid);
  if (!pod) return 'it was deleted';
  if (!isRunning(pod, container)) return `it is ${describePod(pod)}`;
  return containerStatus(pod, container)?.containerID === containerId ? undefined : 'its container was restarted';
}
