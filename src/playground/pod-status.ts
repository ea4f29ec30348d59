import type { ContainerWorker } from './container-worker';
import { timestamp } from './freeze';
import type { KubeObject } from './types';

/** What the kubelet knows about a pod beyond its containers. */
export interface PodView {
  startTime: string;
  /** Of the pod and of its node, IPv4 first; the pod has none before its network stands. */
  addresses: string[];
  hostAddresses: string[];
  sandboxReady: boolean;
  initialized: boolean;
  /** No container will run again. */
  finished: boolean;
  failure?: { reason: string; message: string };
  init: ContainerWorker[];
  apps: ContainerWorker[];
  ephemeral: ContainerWorker[];
}

type Condition = { type: string; status: 'True' | 'False'; reason?: string; message?: string };

function phaseOf(view: PodView): string {
  if (view.finished) {
    if (view.failure) return 'Failed';
    const all = [...view.init.filter((one) => one.kind === 'init'), ...view.apps];
    return all.every((one) => one.exitCode === 0) ? 'Succeeded' : 'Failed';
  }
  return view.initialized && view.apps.some((one) => one.hasRun) ? 'Running' : 'Pending';
}

function conditionsOf(view: PodView, phase: string): Condition[] {
  const ended = phase === 'Succeeded' || phase === 'Failed';
  const unready = view.apps.filter((one) => !one.ready).map((one) => one.name);
  const pending = view.init
    .filter((one) => (one.kind === 'init' ? one.exitCode !== 0 : !one.started))
    .map((one) => one.name);
  const completed = phase === 'Succeeded' ? { reason: 'PodCompleted' } : {};
  const readiness: Omit<Condition, 'type'> =
    phase === 'Succeeded'
      ? { status: 'False', reason: 'PodCompleted' }
      : phase === 'Failed'
        ? { status: 'False', reason: 'PodFailed' }
        : unready.length > 0
          ? {
              status: 'False',
              reason: 'ContainersNotReady',
              message: `containers with unready status: [${unready.join(' ')}]`,
            }
          : { status: 'True' };
  const initialized: Omit<Condition, 'type'> =
    view.initialized || (pending.length === 0 && !ended)
      ? { status: 'True', ...completed }
      : {
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${pending.join(' ')}]`,
        };
  return [
    { type: 'PodReadyToStartContainers', status: view.sandboxReady ? 'True' : 'False' },
    { type: 'Initialized', ...initialized },
    { type: 'Ready', ...readiness },
    { type: 'ContainersReady', ...readiness },
    { type: 'PodScheduled', status: 'True' },
  ];
}

/** The fields of a pod's status that tell addresses. */
export function addressFields(addresses: string[], hostAddresses: string[]): object {
  const list = (all: string[]) => all.map((ip) => ({ ip }));
  return {
    hostIP: hostAddresses[0],
    hostIPs: list(hostAddresses),
    ...(addresses.length > 0 ? { podIP: addresses[0], podIPs: list(addresses) } : {}),
  };
}

/** The status a kubelet would report. Keeps the transition time of conditions that did not change. */
export function computePodStatus(pod: KubeObject, view: PodView): any {
  const phase = phaseOf(view);
  const now = timestamp();
  const before: any[] = pod.status?.conditions ?? [];
  const conditions = conditionsOf(view, phase).map((condition) => {
    const old = before.find((one) => one.type === condition.type);
    const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : now;
    return { ...condition, lastProbeTime: null, lastTransitionTime };
  });
  const statuses = (workers: ContainerWorker[]) => workers.map((one) => one.status());
  return {
    ...pod.status,
    ...(view.failure ?? {}),
    phase,
    conditions,
    ...addressFields(view.addresses, view.hostAddresses),
    startTime: view.startTime,
    ...(view.init.length > 0 ? { initContainerStatuses: statuses(view.init) } : {}),
    containerStatuses: statuses(view.apps),
    ...(view.ephemeral.length > 0 ? { ephemeralContainerStatuses: statuses(view.ephemeral) } : {}),
    qosClass: pod.status?.qosClass ?? 'BestEffort',
  };
}
