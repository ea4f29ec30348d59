import { NODE_ADDRESS, SERVICE_CIDR } from './addresses';
import type { KubeObject } from './types';

const TABLE = 'playground';

/** Packets that never met a service rule but are for a ClusterIP are refused at once: that is a service without endpoints. */
const CHAINS = `
  chain services-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
  chain services-output { type nat hook output priority -100; policy accept; jump services; }
  chain services-postrouting { type nat hook postrouting priority srcnat; policy accept;
    ip saddr . ip daddr @hairpin snat to ${NODE_ADDRESS}
  }
  chain refuse-forward { type filter hook forward priority filter; policy accept; ip daddr ${SERVICE_CIDR} reject; }
  chain refuse-output { type filter hook output priority filter; policy accept; ip daddr ${SERVICE_CIDR} oifname != "lo" reject; }
`;

interface Backend {
  address: string;
  port: number;
}

/** Ready addresses behind one port of a service, from its Endpoints object. */
function backendsOf(endpoints: KubeObject | undefined, port: any): Backend[] {
  return (endpoints?.subsets ?? []).flatMap((subset: any) => {
    const target = (subset.ports ?? []).find(
      (one: any) => (one.name ?? '') === (port.name ?? '') && (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    return target ? (subset.addresses ?? []).map(({ ip }: any) => ({ address: ip, port: target.port })) : [];
  });
}

/**
 * The whole nftables table for the services as they are now, as one transaction. Connections are spread at random over the ready
 * backends; a pod that reaches itself through its service is given the node's address as source, without which it could not answer itself.
 */
export function renderServiceRules(services: KubeObject[], endpoints: KubeObject[], podAddresses: string[]): string {
  const byName = new Map(endpoints.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));
  const chains: string[] = [];
  const jumps: string[] = [];
  for (const service of services) {
    const { clusterIP, ports = [], sessionAffinity } = service.spec ?? {};
    if (!clusterIP || clusterIP === 'None') continue;
    for (const port of ports) {
      const backends = backendsOf(byName.get(`${service.metadata.namespace}/${service.metadata.name}`), port);
      if (backends.length === 0) continue;
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      const choice =
        sessionAffinity === 'ClientIP'
          ? `jhash ip saddr mod ${backends.length}`
          : `numgen random mod ${backends.length}`;
      const targets = backends.map((backend, index) => {
        const name = `to-${backend.address.replaceAll('.', '-')}-${protocol}-${backend.port}-${jumps.length}-${index}`;
        chains.push(`  chain ${name} { meta l4proto ${protocol} dnat to ${backend.address}:${backend.port}; }`);
        return `${index} : goto ${name}`;
      });
      jumps.push(`    ip daddr ${clusterIP} ${protocol} dport ${port.port} ${choice} vmap { ${targets.join(', ')} }`);
    }
  }
  const elements = podAddresses.map((address) => `${address} . ${address}`).join(', ');
  return [
    `add table ip ${TABLE}`,
    `delete table ip ${TABLE}`,
    `table ip ${TABLE} {`,
    `  set hairpin { type ipv4_addr . ipv4_addr; ${elements ? `elements = { ${elements} }` : ''}\n  }`,
    ...chains,
    `  chain services {\n${jumps.join('\n')}\n  }`,
    CHAINS,
    '}',
    '',
  ].join('\n');
}
