import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { encodeSafe } from '../random-name';
import type { KubeObject, Store } from '../types';
import { type Controller, type Key, keyOf } from './controller';
import { ownerReference } from './owned';
import { isReady, isTerminal } from './pods';

/** Keeps the Endpoints and, for each address family of a service that selects pods, one EndpointSlice. */
export const endpointsController: Controller = {
  name: 'endpoint-controller',
  resource: 'services',
  watches: { pods: servicesOf },
  reconcile(store, service) {
    const { selector, type } = service.spec ?? {};
    if (
      service.metadata.deletionTimestamp ||
      !selector ||
      Object.keys(selector).length === 0 ||
      type === 'ExternalName'
    )
      return;
    const pods = store
      .list('pods', service.metadata.namespace)
      .filter((pod) => isSelected(service, pod) && pod.status?.podIP && !isTerminal(pod));
    writeEndpoints(store, service, pods);
    for (const family of service.spec.ipFamilies ?? ['IPv4']) writeSlice(store, service, pods, family);
    return undefined;
  },
  cleanUp(store, { namespace, name }) {
    store.remove('endpoints', namespace, name);
  },
};

function servicesOf(pod: KubeObject, store: Store): Key[] {
  return store
    .list('services', pod.metadata.namespace)
    .filter((service) => isSelected(service, pod))
    .map(keyOf);
}

function isSelected({ spec }: KubeObject, { metadata }: KubeObject): boolean {
  const wanted = Object.entries(spec?.selector ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => metadata.labels?.[key] === value);
}

function counts(service: KubeObject, pod: KubeObject): boolean {
  return service.spec.publishNotReadyAddresses || (isReady(pod) && !pod.metadata.deletionTimestamp);
}

/** A named target port is looked up among the container's ports, and may differ from pod to pod. */
function portsFor(service: KubeObject, pod: KubeObject): { name?: string; port: number; protocol: string }[] {
  return (service.spec.ports ?? []).flatMap(({ name, port, targetPort = port, protocol }: any) => {
    const number = typeof targetPort === 'number' ? targetPort : namedPort(pod, targetPort, protocol);
    return number === undefined ? [] : [{ ...(name ? { name } : {}), port: number, protocol }];
  });
}

function namedPort({ spec }: KubeObject, name: string, protocol: string): number | undefined {
  const ports: any[] = spec.containers.flatMap((container: any) => container.ports ?? []);
  return ports.find((port) => port.name === name && (port.protocol ?? 'TCP') === protocol)?.containerPort;
}

function targetRef({ metadata: { name, namespace, uid } }: KubeObject): object {
  return { kind: 'Pod', namespace, name, uid };
}

function hostnameIn(service: KubeObject, { spec }: KubeObject): { hostname?: string } {
  return spec.hostname && spec.subdomain === service.metadata.name ? { hostname: spec.hostname } : {};
}

function writeEndpoints(store: Store, service: KubeObject, pods: KubeObject[]): void {
  const groups = new Map<string, { addresses: object[]; notReadyAddresses: object[]; ports: object[] }>();
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp && !service.spec.publishNotReadyAddresses) continue;
    const ports = portsFor(service, pod);
    const group = groups.get(JSON.stringify(ports)) ?? { addresses: [], notReadyAddresses: [], ports };
    const address = {
      ip: pod.status.podIP,
      ...hostnameIn(service, pod),
      nodeName: pod.spec.nodeName,
      targetRef: targetRef(pod),
    };
    group[counts(service, pod) ? 'addresses' : 'notReadyAddresses'].push(address);
    groups.set(JSON.stringify(ports), group);
  }
  const subsets = [...groups.values()].map(({ addresses, notReadyAddresses, ports }) => ({
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  }));
  const { name, namespace, labels } = service.metadata;
  write(store, 'endpoints', {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, ...(labels ? { labels: { ...labels } } : {}) },
    ...(subsets.length > 0 ? { subsets } : {}),
  });
}

function writeSlice(store: Store, service: KubeObject, all: KubeObject[], family: 'IPv4' | 'IPv6'): void {
  const { name, namespace, uid } = service.metadata;
  const addressOf = (pod: KubeObject) =>
    (pod.status.podIPs ?? [{ ip: pod.status.podIP }]).find(
      ({ ip }: { ip: string }) => isIPv4(ip) === (family === 'IPv4'),
    )?.ip;
  const pods = all.filter(addressOf);
  const endpoints = pods.map((pod) => {
    const terminating = Boolean(pod.metadata.deletionTimestamp);
    return {
      addresses: [addressOf(pod)],
      conditions: { ready: counts(service, pod), serving: isReady(pod), terminating },
      ...hostnameIn(service, pod),
      nodeName: pod.spec.nodeName,
      targetRef: targetRef(pod),
    };
  });
  // One slice holds one set of ports; in a playground the pods of a service agree on them.
  const ports = pods[0] ? portsFor(service, pods[0]).map((port) => ({ ...port, name: port.name ?? '' })) : [];
  write(store, 'endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      // From the uid, so that a service that is made anew gets a slice of its own.
      name: `${name}-${encodeSafe(createHash('sha256').update(`${uid}${family}`).digest('hex').slice(0, 5))}`,
      generateName: `${name}-`,
      namespace,
      labels: {
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [ownerReference(service)],
    },
    addressType: family,
    endpoints,
    ports,
  });
}

function write(store: Store, resource: string, object: any): void {
  const { namespace, name } = object.metadata;
  const { metadata, ...fields } = object;
  const updated = store.mutate(resource, namespace, name, (target) => {
    if (!fields.subsets) delete target.subsets;
    Object.assign(target, fields);
    Object.assign(target.metadata, metadata);
  });
  if (!updated) store.create(resource, object);
}
