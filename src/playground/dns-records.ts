import { isIPv4 } from 'node:net';
import type { Answer, RecordType } from 'dns-packet';
import { CLUSTER_DOMAIN } from './addresses';
import type { KubeObject, Store } from './types';

/** The kubernetes plugin's default. */
const TTL = 5;
/** Aliases of aliases that are followed in one answer; a circle ends there. */
const MAX_ALIASES = 8;

export interface Resolution {
  code: 'NOERROR' | 'NXDOMAIN';
  answers: Answer[];
}

const nothing: Resolution = { code: 'NXDOMAIN', answers: [] };
const found = (answers: Answer[]): Resolution => ({ code: 'NOERROR', answers });
const a = (name: string, data: string): Answer => ({ type: isIPv4(data) ? 'A' : 'AAAA', name, ttl: TTL, data });
/** Addresses of the family that a question is about. */
const ofType = (type: RecordType, addresses: string[]): string[] =>
  addresses.filter((address) => type === (isIPv4(address) ? 'A' : 'AAAA'));

/** Answers one question by the Kubernetes DNS specification: services, headless services, pods of a subdomain, pod addresses, SRV, PTR. */
export function resolveRecord(store: Store, question: string, type: RecordType, depth = 0): Resolution {
  const name = question.toLowerCase().replace(/\.$/, '');
  if (name.endsWith('.in-addr.arpa')) return resolvePointer(store, name, type);
  const suffix = `.${CLUSTER_DOMAIN}`;
  if (!name.endsWith(suffix)) return nothing;
  const labels = name.slice(0, -suffix.length).split('.');
  const kind = labels.pop();
  const namespace = labels.pop();
  if (namespace === undefined || (kind !== 'svc' && kind !== 'pod'))
    return kind === 'svc' || kind === 'pod' ? found([]) : nothing;
  if (kind === 'pod') {
    const address = labels.length === 1 ? labels[0]!.replaceAll('-', '.') : '';
    return isIPv4(address) ? found(type === 'A' ? [a(question, address)] : []) : nothing;
  }
  return resolveService(store, question, labels, namespace, type, depth);
}

function resolveService(
  store: Store,
  question: string,
  labels: string[],
  namespace: string,
  type: RecordType,
  depth: number,
): Resolution {
  const serviceName = labels.pop();
  if (serviceName === undefined) return store.get('namespaces', undefined, namespace) ? found([]) : nothing;
  const service = store.get('services', namespace, serviceName);
  if (!service) return nothing;
  const domain = `${serviceName}.${namespace}.svc.${CLUSTER_DOMAIN}`;
  if (service.spec.type === 'ExternalName') {
    if (labels.length > 0) return nothing;
    const target: string = service.spec.externalName;
    const alias: Answer = { type: 'CNAME', name: question, ttl: TTL, data: target };
    // A resolver library asks once: what the name stands for goes into the same answer, when this server knows it.
    const stops = type === 'CNAME' || depth >= MAX_ALIASES;
    return found([alias, ...(stops ? [] : resolveRecord(store, target, type, depth + 1).answers)]);
  }
  if (labels.length === 2 && labels.every((label) => label.startsWith('_'))) {
    return resolvePort(store, question, service, domain, labels as [string, string], type);
  }
  const headless = service.spec.clusterIP === 'None';
  if (labels.length === 1 && headless) {
    const hits = endpointsOf(store, service).filter((one) => one.host === labels[0]);
    const addresses = hits.flatMap((one) => one.addresses);
    return hits.length > 0 ? found(ofType(type, addresses).map((address) => a(question, address))) : nothing;
  }
  if (labels.length > 0) return nothing;
  if (type === 'SRV') return found(portRecords(store, question, service, domain, () => true));
  if (!headless) return found(type === 'A' ? [a(question, service.spec.clusterIP)] : []);
  const addresses = [...new Set(endpointsOf(store, service).flatMap((one) => one.addresses))];
  if (addresses.length === 0) return nothing;
  return found(ofType(type, addresses).map((address) => a(question, address)));
}

function resolvePort(
  store: Store,
  question: string,
  service: KubeObject,
  domain: string,
  [port, protocol]: [string, string],
  type: RecordType,
): Resolution {
  const wanted = (one: any) =>
    one.name === port.slice(1) && (one.protocol ?? 'TCP').toLowerCase() === protocol.slice(1);
  if (!(service.spec.ports ?? []).some(wanted)) return nothing;
  return found(type === 'SRV' ? portRecords(store, question, service, domain, wanted) : []);
}

function portRecords(
  store: Store,
  question: string,
  service: KubeObject,
  domain: string,
  wanted: (port: any) => boolean,
): Answer[] {
  const record = (target: string, port: number): Answer => ({
    type: 'SRV',
    name: question,
    ttl: TTL,
    data: { priority: 0, weight: 100, port, target },
  });
  if (service.spec.clusterIP !== 'None') {
    return (service.spec.ports ?? []).filter(wanted).map((port: any) => record(domain, port.port));
  }
  return endpointsOf(store, service).flatMap((one) =>
    one.ports.filter(wanted).map((port) => record(`${one.host}.${domain}`, port.port)),
  );
}

interface Endpoint {
  /** The pod's, of the families that the service has; IPv4 first. */
  addresses: string[];
  /** Host label under the service: the pod's hostname, or the address with dashes. */
  host: string;
  ports: any[];
}

function endpointsOf(store: Store, service: KubeObject): Endpoint[] {
  const { name, namespace } = service.metadata;
  const pods = new Map(store.list('pods', namespace).map((pod) => [pod.status?.podIP, pod]));
  return (store.get('endpoints', namespace, name)?.subsets ?? []).flatMap((subset: any) => {
    const addresses = [
      ...(subset.addresses ?? []),
      ...(service.spec.publishNotReadyAddresses ? (subset.notReadyAddresses ?? []) : []),
    ];
    return addresses.map(({ ip, hostname }: any) => {
      const pod = pods.get(ip);
      const own = hostname ?? (pod?.spec.subdomain === name ? pod?.spec.hostname : undefined);
      const others = service.spec.ipFamilies?.includes('IPv6') ? (pod?.status.podIPs ?? []).slice(1) : [];
      const all = [ip, ...others.map((other: { ip: string }) => other.ip)];
      return { addresses: all, host: own ?? ip.replaceAll('.', '-'), ports: subset.ports ?? [] };
    });
  });
}

function resolvePointer(store: Store, name: string, type: RecordType): Resolution {
  const address = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.');
  const pointer = (data: string): Resolution => found(type === 'PTR' ? [{ type: 'PTR', name, ttl: TTL, data }] : []);
  for (const service of store.list('services')) {
    const domain = `${service.metadata.name}.${service.metadata.namespace}.svc.${CLUSTER_DOMAIN}`;
    if (service.spec.clusterIP === address) return pointer(domain);
    if (service.spec.clusterIP !== 'None') continue;
    const endpoint = endpointsOf(store, service).find((one) => one.addresses.includes(address));
    if (endpoint) return pointer(`${endpoint.host}.${domain}`);
  }
  return nothing;
}
