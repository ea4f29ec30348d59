import { ageColumn, type Column, name, orNone, since } from './column';
import { POD_COLUMNS } from './pods';
import {
  CRONJOB_COLUMNS,
  DAEMONSET_COLUMNS,
  DEPLOYMENT_COLUMNS,
  JOB_COLUMNS,
  labels,
  REPLICASET_COLUMNS,
  STATEFULSET_COLUMNS,
} from './workloads';

const count = (value: unknown): number => Object.keys(value ?? {}).length;
const column = (title: string, cell: Column['cell'], options: Partial<Column> = {}): Column => ({
  name: title,
  cell,
  ...options,
});
const wide = { priority: 1 };

/** Printer columns by plural; a resource that is not here has Name and Age. */
export const COLUMNS: Record<string, Column[]> = {
  pods: POD_COLUMNS,
  deployments: DEPLOYMENT_COLUMNS,
  replicasets: REPLICASET_COLUMNS,
  statefulsets: STATEFULSET_COLUMNS,
  daemonsets: DAEMONSET_COLUMNS,
  jobs: JOB_COLUMNS,
  cronjobs: CRONJOB_COLUMNS,
  configmaps: [name, column('Data', ({ data, binaryData }) => count(data) + count(binaryData)), ageColumn],
  secrets: [
    name,
    column('Type', ({ type }) => type ?? 'Opaque'),
    column('Data', ({ data }) => count(data), { type: 'integer' }),
    ageColumn,
  ],
  namespaces: [name, column('Status', ({ status }) => status?.phase ?? 'Active'), ageColumn],
  serviceaccounts: [name, column('Secrets', ({ secrets }) => count(secrets)), ageColumn],
  services: [
    name,
    column('Type', ({ spec }) => spec.type),
    column('Cluster-IP', ({ spec }) => orNone(spec.clusterIP)),
    column('External-IP', ({ spec }) => spec.externalName ?? '<none>'),
    column('Port(s)', ({ spec }) => orNone((spec.ports ?? []).map(servicePort).join(','))),
    ageColumn,
    column('Selector', ({ spec }) => orNone(labels(spec.selector)), wide),
  ],
  endpoints: [name, column('Endpoints', ({ subsets }) => orNone(endpointAddresses(subsets))), ageColumn],
  endpointslices: [
    name,
    column('AddressType', ({ addressType }) => addressType),
    column('Ports', ({ ports }) => orNone((ports ?? []).map((port: any) => port.port).join(','))),
    column('Endpoints', ({ endpoints }) => orNone((endpoints ?? []).flatMap((e: any) => e.addresses).join(','))),
    ageColumn,
  ],
  nodes: [
    name,
    column('Status', nodeStatus),
    column('Roles', ({ metadata }) => nodeRoles(metadata.labels)),
    ageColumn,
    column('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    column('Internal-IP', ({ status }) => nodeAddress(status), wide),
    column('External-IP', () => '<none>', wide),
    column('OS-Image', ({ status }) => status?.nodeInfo?.osImage ?? '<unknown>', wide),
    column('Kernel-Version', ({ status }) => status?.nodeInfo?.kernelVersion ?? '<unknown>', wide),
    column('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion ?? '<unknown>', wide),
  ],
  events: [
    column('Last Seen', (event) => since(event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime)),
    column('Type', ({ type }) => type),
    column('Reason', ({ reason }) => reason),
    column('Object', ({ involvedObject: about }) => `${String(about?.kind).toLowerCase()}/${about?.name}`),
    column('Subobject', ({ involvedObject }) => involvedObject?.fieldPath ?? '', wide),
    column('Source', ({ source, reportingComponent }) => source?.component || reportingComponent || '', wide),
    column('Message', ({ message }) => String(message ?? '').trim()),
    column('First Seen', (event) => since(event.firstTimestamp ?? event.eventTime), wide),
    column('Count', ({ count: times }) => times ?? 1, { ...wide, type: 'integer' }),
    { ...name, priority: 1 },
  ],
};

function servicePort({ port, nodePort, protocol }: any): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}

function endpointAddresses(subsets: any[] = []): string {
  return subsets
    .flatMap(({ addresses = [], ports = [] }) =>
      ports.flatMap(({ port }: any) => addresses.map(({ ip }: any) => `${ip}:${port}`)),
    )
    .join(',');
}

function nodeStatus({ spec, status }: any): string {
  const ready = status?.conditions?.find((condition: any) => condition.type === 'Ready');
  const word = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

function nodeRoles(nodeLabels: Record<string, string> = {}): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(nodeLabels).filter((label) => label.startsWith(prefix));
  return orNone(roles.map((label) => label.slice(prefix.length)).join(','));
}

function nodeAddress(status: any): string {
  return orNone(status?.addresses?.find((address: any) => address.type === 'InternalIP')?.address);
}
