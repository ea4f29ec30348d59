import type { KubeObject } from '../../types';
import { ageColumn, type Column, name, orNone, since } from './column';

export const POD_COLUMNS: Column[] = [
  name,
  { name: 'Ready', cell: readyCount },
  { name: 'Status', cell: podStatus },
  { name: 'Restarts', cell: restarts },
  ageColumn,
  { name: 'IP', priority: 1, cell: ({ status }) => orNone(status?.podIP) },
  { name: 'Node', priority: 1, cell: ({ spec }) => orNone(spec?.nodeName) },
  { name: 'Nominated Node', priority: 1, cell: ({ status }) => orNone(status?.nominatedNodeName) },
  { name: 'Readiness Gates', priority: 1, cell: () => '<none>' },
];

const isSidecar = (container: any): boolean => container.restartPolicy === 'Always';

function readyCount({ spec, status }: KubeObject): string {
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map((container: any) => container.name));
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []).filter((container: any) => sidecars.has(container.name)),
  ];
  return `${statuses.filter((container) => container.ready).length}/${spec.containers.length + sidecars.size}`;
}

/** The word in kubectl's STATUS column: the phase, unless a container or a deletion says more. */
export function podStatus({ metadata, spec, status = {} }: KubeObject): string {
  let reason: string = status.reason || status.phase || 'Unknown';
  const gated = status.conditions?.find((condition: any) => condition.type === 'PodScheduled');
  if (gated?.reason === 'SchedulingGated') reason = 'SchedulingGated';
  const initializing = initReason(spec, status);
  if (initializing) reason = initializing;
  else reason = containerReason(status) ?? reason;

  if (metadata.deletionTimestamp && status.reason === 'NodeLost') return 'Unknown';
  const isOver = status.phase === 'Succeeded' || status.phase === 'Failed';
  return metadata.deletionTimestamp && !isOver ? 'Terminating' : reason;
}

function initReason(spec: any, status: any): string | undefined {
  const containers: any[] = spec.initContainers ?? [];
  for (const [index, container] of (status.initContainerStatuses ?? []).entries()) {
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    const spec = containers.find((candidate) => candidate.name === container.name);
    if (spec && isSidecar(spec) && container.started) continue;
    if (terminated) return `Init:${terminationReason(terminated)}`;
    if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
    return `Init:${index}/${containers.length}`;
  }
  return undefined;
}

function containerReason(status: any): string | undefined {
  let reason: string | undefined;
  let hasRunning = false;
  for (const { state = {}, ready } of [...(status.containerStatuses ?? [])].reverse()) {
    if (state.waiting?.reason) reason = state.waiting.reason;
    else if (state.terminated) reason = terminationReason(state.terminated);
    else if (ready && state.running) hasRunning = true;
  }
  if (reason !== 'Completed' || !hasRunning) return reason;
  const isReady = status.conditions?.some(
    (condition: any) => condition.type === 'Ready' && condition.status === 'True',
  );
  return isReady ? 'Running' : 'NotReady';
}

function terminationReason({ reason, signal, exitCode }: any): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

function restarts({ status }: KubeObject): string | number {
  const statuses: any[] = status?.containerStatuses ?? [];
  const count = statuses.reduce((sum, container) => sum + (container.restartCount ?? 0), 0);
  const finished = statuses.map((container) => container.lastState?.terminated?.finishedAt).filter(Boolean);
  return count > 0 && finished.length > 0 ? `${count} (${since(finished.sort().at(-1))} ago)` : `${count}`;
}
