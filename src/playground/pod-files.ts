import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLUSTER_DOMAIN, DNS_ADDRESS } from './addresses';
import type { Mount } from './rootfs';
import type { KubeObject } from './types';

/** Linux allows 64 bytes in a host name; the kubelet cuts at 63. */
export function hostnameOf(pod: KubeObject): string {
  return (pod.spec.hostname ?? pod.metadata.name).slice(0, 63).replace(/[-.]+$/, '');
}

/** resolv.conf by the pod's dnsPolicy. */
export function resolverConfiguration(pod: KubeObject): string {
  const { dnsPolicy = 'ClusterFirst', dnsConfig = {}, hostNetwork } = pod.spec;
  const namespace = pod.metadata.namespace ?? 'default';
  const cluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  const domains = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN];
  const search = [...(cluster ? domains : []), ...(dnsConfig.searches ?? [])];
  const servers = [...(dnsPolicy === 'None' ? [] : [DNS_ADDRESS]), ...(dnsConfig.nameservers ?? [])];
  const options = new Map<string, string | undefined>(cluster ? [['ndots', '5']] : []);
  for (const { name, value } of dnsConfig.options ?? []) options.set(name, value);
  const words = [...options].map(([name, value]) => (value === undefined ? name : `${name}:${value}`));
  return [
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
    ...(words.length > 0 ? [`options ${words.join(' ')}`] : []),
    '',
  ].join('\n');
}

/** /etc/hosts as the kubelet writes it, down to its comments. */
export function hostsFile(pod: KubeObject, addresses: string[]): string {
  const name = hostnameOf(pod);
  const { subdomain, hostAliases = [] } = pod.spec;
  const full = subdomain ? `${name}.${subdomain}.${pod.metadata.namespace}.svc.${CLUSTER_DOMAIN}\t${name}` : name;
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...addresses.map((address) => `${address}\t${full}`),
  ];
  if (hostAliases.length > 0) lines.push('', '# Entries added by HostAliases.');
  for (const alias of hostAliases) lines.push(`${alias.ip}\t${alias.hostnames.join('\t')}`);
  return `${lines.join('\n')}\n`;
}

/** Writes the three files and returns the mounts that every container of the pod gets. */
export function writePodFiles(pod: KubeObject, podFolder: string, addresses: string[]): Mount[] {
  const folder = join(podFolder, 'etc');
  mkdirSync(folder, { recursive: true });
  const files: Record<string, string> = {
    hosts: hostsFile(pod, addresses),
    hostname: `${hostnameOf(pod)}\n`,
    'resolv.conf': resolverConfiguration(pod),
  };
  return Object.entries(files).map(([name, text]) => {
    writeFileSync(join(folder, name), text, { mode: 0o644 });
    return { source: join(folder, name), target: `/etc/${name}`, readOnly: false };
  });
}
