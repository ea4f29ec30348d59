import {
  API_SERVICE_ADDRESS,
  DNS_ADDRESS,
  ipv6Beside,
  NODE_ADDRESS,
  NODE_NAME,
  POD_CIDR,
  POD_CIDR_V6,
} from './addresses';
import type { Capacity } from './field-ref';
import { timestamp } from './freeze';
import type { Store } from './types';

interface NodeFacts {
  capacity: Capacity;
  /** Its release. */
  kernel: string;
  dualStack: boolean;
}

/** The objects a fresh cluster has: namespaces, its node, and the services of the API and of DNS. */
export function createNodeObjects(store: Store, facts: NodeFacts): void {
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    store.create('namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  }
  store.create('nodes', nodeObject(facts));
  service(store, 'default', 'kubernetes', API_SERVICE_ADDRESS, [
    { name: 'https', port: 443, protocol: 'TCP', targetPort: 443 },
  ]);
  service(store, 'kube-system', 'kube-dns', DNS_ADDRESS, [
    { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
    { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
  ]);
}

function service(store: Store, namespace: string, name: string, clusterIP: string, ports: unknown[]): void {
  store.create('services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports,
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  });
}

function nodeObject({ capacity: { cpu, memory }, kernel, dualStack }: NodeFacts) {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const amounts = { cpu: String(cpu), memory: `${Math.floor(memory / 1024)}Ki`, pods: '110' };
  const now = timestamp();
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: NODE_NAME,
      labels: {
        'kubernetes.io/arch': architecture,
        'kubernetes.io/hostname': NODE_NAME,
        'kubernetes.io/os': 'linux',
        'node-role.kubernetes.io/control-plane': '',
      },
    },
    spec: { podCIDR: POD_CIDR, podCIDRs: [POD_CIDR, ...(dualStack ? [POD_CIDR_V6] : [])] },
    status: {
      addresses: [
        { type: 'InternalIP', address: NODE_ADDRESS },
        ...(dualStack ? [{ type: 'InternalIP', address: ipv6Beside(NODE_ADDRESS) }] : []),
        { type: 'Hostname', address: NODE_NAME },
      ],
      capacity: amounts,
      allocatable: amounts,
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
      ],
      nodeInfo: {
        architecture,
        bootID: '',
        machineID: '',
        systemUUID: '',
        containerRuntimeVersion: 'containerd://2.0.0+playground',
        kernelVersion: kernel,
        kubeProxyVersion: '',
        kubeletVersion: 'v1.32.0+playground',
        operatingSystem: 'linux',
        osImage: 'mirrord playground',
      },
    },
  };
}
