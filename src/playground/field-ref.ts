import type { KubeObject } from './types';

/** A field reference that does not resolve; the message is the kubelet's. */
export class FieldReferenceError extends Error {}

const quoted = (entries: Record<string, string> = {}) =>
  Object.keys(entries)
    .sort()
    .map((key) => `${key}=${JSON.stringify(entries[key])}`)
    .join('\n');

const joined = (addresses: { ip: string }[] = []) => addresses.map(({ ip }) => ip).join(',');

/** `fieldRef` of the downward API. @throws FieldReferenceError */
export function resolveFieldRef(pod: KubeObject, path: string): string {
  const subscript = /^metadata\.(annotations|labels)\['([^']+)'\]$/.exec(path);
  if (subscript) return pod.metadata[subscript[1] as 'labels']?.[subscript[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace ?? 'default';
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'metadata.labels':
      return quoted(pod.metadata.labels);
    case 'metadata.annotations':
      return quoted(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? 'default';
    case 'status.podIP':
      return pod.status?.podIP ?? '';
    case 'status.podIPs':
      return joined(pod.status?.podIPs);
    case 'status.hostIP':
      return pod.status?.hostIP ?? '';
    case 'status.hostIPs':
      return joined(pod.status?.hostIPs);
    default:
      throw new FieldReferenceError(`unsupported fieldPath: ${path}`);
  }
}

const UNITS: Record<string, number> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A Kubernetes quantity (`250m`, `64Mi`) as a number of cores or bytes; NaN when it is none. */
export function parseQuantity(text: string): number {
  const [, digits, unit = ''] = /^([\d.]+)([a-zA-Z]*)$/.exec(String(text)) ?? [];
  if (digits === undefined) return Number.NaN;
  return Number(digits) * (unit === '' ? 1 : (UNITS[unit] ?? Number.NaN));
}

export interface Capacity {
  cpu: number;
  /** Bytes. */
  memory: number;
}

/** `resourceFieldRef`: what the container asked for or, when it did not, what the node has. Rounded up to the divisor. */
export function resolveResourceFieldRef(
  container: any,
  reference: { resource: string; divisor?: string },
  node: Capacity,
): string {
  const [kind, name] = reference.resource.split('.') as ['limits' | 'requests', string];
  const asked = container?.resources?.[kind]?.[name];
  const fallback = name === 'cpu' ? node.cpu : name === 'memory' ? node.memory : 0;
  const divisor = parseQuantity(reference.divisor ?? '1') || 1;
  return String(
    Math.ceil((asked === undefined ? (kind === 'requests' ? 0 : fallback) : parseQuantity(asked)) / divisor),
  );
}
