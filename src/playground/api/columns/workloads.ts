import { formatSelector } from '../../selectors';
import type { KubeObject } from '../../types';
import { ageColumn, type Column, humanDuration, name, orNone, since, templateColumns } from './column';

const selector = ({ spec }: KubeObject): string => formatSelector(spec?.selector);
const number = (column: string, read: (object: KubeObject) => number | undefined): Column => ({
  name: column,
  cell: (object) => String(read(object) ?? 0),
});
const integer = (column: string, read: (object: KubeObject) => number | undefined): Column => ({
  name: column,
  type: 'integer',
  cell: (object) => read(object) ?? 0,
});

export const DEPLOYMENT_COLUMNS: Column[] = [
  name,
  { name: 'Ready', cell: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}` },
  number('Up-to-date', ({ status }) => status?.updatedReplicas),
  number('Available', ({ status }) => status?.availableReplicas),
  ageColumn,
  ...templateColumns(selector),
];

export const REPLICASET_COLUMNS: Column[] = [
  name,
  integer('Desired', ({ spec }) => spec.replicas),
  integer('Current', ({ status }) => status?.replicas),
  integer('Ready', ({ status }) => status?.readyReplicas),
  ageColumn,
  ...templateColumns(selector),
];

export const STATEFULSET_COLUMNS: Column[] = [
  name,
  { name: 'Ready', cell: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}` },
  ageColumn,
  ...templateColumns(selector).slice(0, 2),
];

export const DAEMONSET_COLUMNS: Column[] = [
  name,
  integer('Desired', ({ status }) => status?.desiredNumberScheduled),
  integer('Current', ({ status }) => status?.currentNumberScheduled),
  integer('Ready', ({ status }) => status?.numberReady),
  integer('Up-to-date', ({ status }) => status?.updatedNumberScheduled),
  integer('Available', ({ status }) => status?.numberAvailable),
  { name: 'Node Selector', cell: ({ spec }) => orNone(labels(spec.template?.spec?.nodeSelector)) },
  ageColumn,
  ...templateColumns(selector),
];

export const JOB_COLUMNS: Column[] = [
  name,
  { name: 'Status', cell: jobStatus },
  { name: 'Completions', cell: jobCompletions },
  { name: 'Duration', cell: jobDuration },
  ageColumn,
  ...templateColumns(selector),
];

export const CRONJOB_COLUMNS: Column[] = [
  name,
  { name: 'Schedule', cell: ({ spec }) => spec.schedule },
  { name: 'Timezone', cell: ({ spec }) => spec.timeZone ?? '<none>' },
  { name: 'Suspend', cell: ({ spec }) => (spec.suspend ? 'True' : 'False') },
  integer('Active', ({ status }) => status?.active?.length),
  {
    name: 'Last Schedule',
    cell: ({ status }) => (status?.lastScheduleTime ? since(status.lastScheduleTime) : '<none>'),
  },
  ageColumn,
];

function jobStatus({ metadata, spec, status }: KubeObject): string {
  const has = (type: string) => status?.conditions?.some((c: any) => c.type === type && c.status === 'True');
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (metadata.deletionTimestamp) return 'Terminating';
  if (has('Suspended') || spec.suspend) return 'Suspended';
  if (has('FailureTarget')) return 'FailureTarget';
  if (has('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}

function jobCompletions({ spec, status }: KubeObject): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  return spec.parallelism > 1 ? `${succeeded}/1 of ${spec.parallelism}` : `${succeeded}/1`;
}

function jobDuration({ status }: KubeObject): string {
  if (!status?.startTime) return '';
  const failed = status.conditions?.find((c: any) => c.type === 'Failed' && c.status === 'True');
  const end = status.completionTime ?? failed?.lastTransitionTime;
  return humanDuration((end ? Date.parse(end) : Date.now()) - Date.parse(status.startTime));
}

export function labels(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}
