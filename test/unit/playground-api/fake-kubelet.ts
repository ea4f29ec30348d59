import { timestamp } from '../../../src/playground/freeze';
import type { KubeObject, Store } from '../../../src/playground/types';

/** What becomes of a pod: it runs and is ready, or it has ended with an exit code. */
export type Fate = 'ready' | 'pending' | number;

/** Gives every pod its fate a moment after it appears, and takes deleted ones out. Returns the undo. */
export function startFakeKubelet(store: Store, fateOf: (pod: KubeObject) => Fate = () => 'ready'): () => void {
  let lastAddress = 1;
  return store.subscribe('pods', ({ type, object }) => {
    if (type === 'DELETED') return;
    const { namespace, name, deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
    if (deletionTimestamp && deletionGracePeriodSeconds !== 0)
      setImmediate(() => store.remove('pods', namespace, name));
    if (type !== 'ADDED') return;
    const fate = fateOf(object);
    if (fate === 'pending') return;
    setTimeout(() => {
      store.mutate('pods', namespace, name, (pod) => {
        pod.spec.nodeName ??= 'playground';
        pod.status = { ...pod.status, podIP: `10.244.0.${++lastAddress}`, ...statusFor(pod, fate) };
      });
    }, 5);
  });
}

function statusFor({ spec }: KubeObject, fate: Exclude<Fate, 'pending'>): object {
  const now = timestamp();
  const isReady = fate === 'ready';
  const state = isReady
    ? { running: { startedAt: now } }
    : { terminated: { exitCode: fate, startedAt: now, finishedAt: now } };
  return {
    phase: isReady ? 'Running' : fate === 0 ? 'Succeeded' : 'Failed',
    conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime: now }],
    containerStatuses: spec.containers.map(({ name }: any) => ({ name, state, ready: isReady, restartCount: 0 })),
  };
}
