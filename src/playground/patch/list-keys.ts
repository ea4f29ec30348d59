/**
 * How the lists of an object merge: by key for those named here; the lists of plain values in `SETS` as sets; every other
 * list is replaced as a whole. A field name means the same list wherever it occurs, except where the parent is named too.
 */
const KEYS: Record<string, string> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  imagePullSecrets: 'name',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
  conditions: 'type',
  ownerReferences: 'uid',
  secrets: 'name',
  podIPs: 'ip',
  hostIPs: 'ip',
  addresses: 'type',
  taints: 'key',
};

const PORTS: Record<string, string> = {
  containers: 'containerPort',
  initContainers: 'containerPort',
  ephemeralContainers: 'containerPort',
};
const SETS = new Set(['finalizers']);

/** The merge key of the list `field`, given the field names above it; undefined for a list that is replaced. */
export function mergeKeyOf(field: string, path: readonly string[]): string | undefined {
  // Ports of a container and of a Service go by different keys; those of an Endpoints subset are replaced.
  if (field === 'ports') return PORTS[path.at(-1) ?? ''] ?? (path.at(-1) === 'spec' ? 'port' : undefined);
  // ServiceAccounts merge their secrets; a projected volume's sources do not.
  if (field === 'addresses') return path.at(-1) === 'status' ? 'type' : undefined;
  return Object.hasOwn(KEYS, field) ? KEYS[field] : undefined;
}

export function isSet(field: string): boolean {
  return SETS.has(field);
}
