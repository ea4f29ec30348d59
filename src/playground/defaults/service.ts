import { StatusError } from '../status-error';
import type { KubeObject, Store } from '../types';
import { setDefault } from './pod';

// 10.96.0.0/16 as in a fresh kubeadm cluster; addresses below 256 are left for well-known services.
const PREFIX = '10.96';
const FIRST = 256;
const LAST = 65_534;

export function defaultService({ spec }: any): void {
  if (!spec) return;
  setDefault(spec, 'type', 'ClusterIP');
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec.type !== 'ExternalName') {
    setDefault(spec, 'internalTrafficPolicy', 'Cluster');
    setDefault(spec, 'ipFamilies', ['IPv4']);
    setDefault(spec, 'ipFamilyPolicy', spec.ipFamilies.length > 1 ? 'RequireDualStack' : 'SingleStack');
  }
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  for (const port of spec.ports ?? []) {
    setDefault(port, 'protocol', 'TCP');
    setDefault(port, 'targetPort', port.port);
  }
}

/**
 * Gives a service its cluster address.
 *
 * @throws StatusError 422 when the address asked for is taken.
 */
export function allocateClusterIP(store: Store, service: KubeObject): void {
  const { spec, metadata } = service;
  if (!spec || spec.type === 'ExternalName') return;
  setDefault(service, 'status', { loadBalancer: {} });
  if (spec.clusterIP === 'None') {
    spec.clusterIPs = ['None'];
    return;
  }
  const taken = new Set(store.list('services').map((other) => other.spec?.clusterIP));
  if (spec.clusterIP && taken.has(spec.clusterIP)) {
    const why = `Invalid value: "${spec.clusterIP}": failed to allocate IP ${spec.clusterIP}: provided IP is already allocated`;
    const message = `Service "${metadata.name}" is invalid: spec.clusterIPs: ${why}`;
    throw new StatusError(422, 'Invalid', message, {
      name: metadata.name,
      kind: 'Service',
      causes: [{ reason: 'FieldValueInvalid', message: why, field: 'spec.clusterIPs' }],
    });
  }
  spec.clusterIP ||= freeAddress(taken, metadata.uid);
  spec.clusterIPs = [spec.clusterIP];
}

/** Starts at a place given by the uid, so that a service made anew gets another address, as in a real cluster. */
function freeAddress(taken: Set<string>, uid: string): string {
  const size = LAST - FIRST;
  const start = Number.parseInt(uid.slice(0, 8), 16) % size;
  for (let i = 0; i < size; i++) {
    const index = FIRST + ((start + i) % size);
    const address = `${PREFIX}.${index >> 8}.${index & 255}`;
    if ((index & 255) !== 255 && (index & 255) !== 0 && !taken.has(address)) return address;
  }
  throw new StatusError(500, 'InternalError', 'failed to allocate a serviceIP: range is full');
}
