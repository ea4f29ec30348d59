import type { ContainerStatus, Pod } from './objects';

/** In one line what a pod is doing and, when it waits or has ended, why. */
export function describePod(pod: Pod): string {
  const { status } = pod;
  if (pod.metadata.deletionTimestamp) return 'being deleted';
  const containers = (status?.containerStatuses ?? []).map(describeContainer).filter(Boolean);
  const scheduling = status?.conditions?.find(
    ({ type, status: value }) => type === 'PodScheduled' && value === 'False',
  );
  const parts = [
    status?.phase ?? 'Pending',
    status?.reason && `${status.reason}${status.message ? `: ${status.message}` : ''}`,
    scheduling && `${scheduling.reason}: ${scheduling.message}`,
    ...containers,
  ];
  return parts.filter(Boolean).join('; ');
}

export function describeContainer({ name, state, lastState, ready }: ContainerStatus): string | undefined {
  if (state?.waiting) {
    const { reason = 'waiting', message } = state.waiting;
    const before = lastState?.terminated ? `, before that it ended: ${describeEnd(lastState.terminated)}` : '';
    return `container "${name}" is waiting: ${reason}${message ? `: ${message}` : ''}${before}`;
  }
  if (state?.terminated) return `container "${name}" ended: ${describeEnd(state.terminated)}`;
  return ready ? undefined : `container "${name}" runs and is not ready`;
}

export function describeEnd(end: { exitCode?: number; signal?: number; reason?: string; message?: string }): string {
  const how = end.signal ? `signal ${end.signal}` : `exit code ${end.exitCode ?? 'unknown'}`;
  const reason = end.reason && end.reason !== 'Error' && end.reason !== 'Completed' ? `${end.reason}, ` : '';
  return `${reason}${how}${end.message ? ` (${end.message.trim()})` : ''}`;
}
