/** One resource of the API: how it is addressed, listed and stored. */
export interface Resource {
  plural: string;
  group: string;
  version: string;
  kind: string;
  namespaced: boolean;
  shortNames: string[];
  categories: string[];
  /** Subresources with their verbs and, where it differs from the resource itself, the kind they speak. */
  subresources: Subresource[];
  verbs: string[];
  /** Kinds whose `metadata.generation` counts the changes of the spec. */
  hasGeneration: boolean;
}

export interface Subresource {
  name: string;
  verbs: string[];
  kind?: string;
  group?: string;
  version?: string;
}

const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const WRITABLE = ['get', 'patch', 'update'];
const STATUS: Subresource = { name: 'status', verbs: WRITABLE };
const SCALE: Subresource = { name: 'scale', verbs: WRITABLE, kind: 'Scale', group: 'autoscaling', version: 'v1' };

type Options = Partial<Omit<Resource, 'plural' | 'kind'>>;

function define(groupVersion: string, plural: string, kind: string, options: Options = {}): Resource {
  const [group, version] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion];
  return {
    plural,
    group: group!,
    version: version!,
    kind,
    namespaced: true,
    shortNames: [],
    categories: [],
    subresources: [],
    verbs: ALL_VERBS,
    hasGeneration: false,
    ...options,
  };
}

const workload = (shortNames: string[], subresources: Subresource[]): Options => ({
  shortNames,
  subresources,
  categories: ['all'],
  hasGeneration: true,
});

const STREAM_VERBS = ['create', 'get'];

/** In the order in which discovery lists them: an older group comes first, so that `events` means the core ones. */
export const RESOURCES: readonly Resource[] = [
  define('v1', 'configmaps', 'ConfigMap', { shortNames: ['cm'] }),
  define('v1', 'endpoints', 'Endpoints', { shortNames: ['ep'] }),
  define('v1', 'events', 'Event', { shortNames: ['ev'] }),
  define('v1', 'namespaces', 'Namespace', {
    namespaced: false,
    shortNames: ['ns'],
    subresources: [{ name: 'finalize', verbs: ['update'] }, STATUS],
    verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
  }),
  define('v1', 'nodes', 'Node', { namespaced: false, shortNames: ['no'], subresources: [STATUS] }),
  define('v1', 'pods', 'Pod', {
    shortNames: ['po'],
    categories: ['all'],
    hasGeneration: true,
    subresources: [
      { name: 'attach', verbs: STREAM_VERBS, kind: 'PodAttachOptions' },
      { name: 'ephemeralcontainers', verbs: WRITABLE },
      { name: 'exec', verbs: STREAM_VERBS, kind: 'PodExecOptions' },
      { name: 'log', verbs: ['get'] },
      { name: 'portforward', verbs: STREAM_VERBS, kind: 'PodPortForwardOptions' },
      STATUS,
    ],
  }),
  define('v1', 'secrets', 'Secret'),
  define('v1', 'serviceaccounts', 'ServiceAccount', { shortNames: ['sa'] }),
  define('v1', 'services', 'Service', { shortNames: ['svc'], categories: ['all'], subresources: [STATUS] }),
  define('events.k8s.io/v1', 'events', 'Event', { shortNames: ['ev'] }),
  define('apps/v1', 'daemonsets', 'DaemonSet', workload(['ds'], [STATUS])),
  define('apps/v1', 'deployments', 'Deployment', workload(['deploy'], [SCALE, STATUS])),
  define('apps/v1', 'replicasets', 'ReplicaSet', workload(['rs'], [SCALE, STATUS])),
  define('apps/v1', 'statefulsets', 'StatefulSet', workload(['sts'], [SCALE, STATUS])),
  define('batch/v1', 'cronjobs', 'CronJob', workload(['cj'], [STATUS])),
  define('batch/v1', 'jobs', 'Job', workload([], [STATUS])),
  define('coordination.k8s.io/v1', 'leases', 'Lease'),
  define('discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice'),
];

/** Resources that only answer a POST and store nothing. */
export const REVIEWS: readonly Resource[] = [
  ['authentication.k8s.io/v1', 'selfsubjectreviews', 'SelfSubjectReview'] as const,
  ['authorization.k8s.io/v1', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview'] as const,
  ['authorization.k8s.io/v1', 'selfsubjectrulesreviews', 'SelfSubjectRulesReview'] as const,
].map(([groupVersion, plural, kind]) => define(groupVersion, plural, kind, { namespaced: false, verbs: ['create'] }));

export function findResource(group: string, version: string, plural: string): Resource | undefined {
  const matches = (resource: Resource) =>
    resource.plural === plural && resource.group === group && resource.version === version;
  return RESOURCES.find(matches) ?? REVIEWS.find(matches);
}

/** By the name the store uses. `events` is one collection, whichever group it is read through. */
export function resourceByPlural(plural: string): Resource | undefined {
  return RESOURCES.find((resource) => resource.plural === plural);
}

export function resourceOfKind(apiVersion: string, kind: string): Resource | undefined {
  return RESOURCES.find((resource) => resource.kind === kind && apiVersionOf(resource) === apiVersion);
}

export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version;
}

/** `jobs.batch`, as error messages and `kubectl -o name` write it. */
export function qualifiedName(resource: Pick<Resource, 'group' | 'plural'>): string {
  return resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
}
