import { isIP } from 'node:net';
import type { AddressFilter } from './types';

/**
 * Names that outgoing traffic treats apart are resolved on the same side, so that `{ "local": ["db.example"] }` does not
 * connect from this machine to an address that only the pod can reach. A DNS filter for the other side is left as written.
 */
export function reflectInDns(
  outgoing: AddressFilter | undefined,
  dns: AddressFilter | undefined,
): AddressFilter | undefined {
  if (!outgoing) return dns;
  if ('local' in outgoing) {
    const names = outgoing.local.flatMap(hostnameOf);
    if (names.length === 0 || (dns && !('local' in dns))) return dns;
    return { local: [...(dns?.local ?? []), ...names] };
  }
  // Without a filter every name is resolved in the pod already.
  return dns && 'remote' in dns ? { remote: [...dns.remote, ...outgoing.remote.flatMap(hostnameOf)] } : dns;
}

/** The name in `tcp://name:port`; nothing for addresses and subnets. */
function hostnameOf(entry: string): string[] {
  const host = entry.replace(/^(tcp|udp):\/\//, '').replace(/:\d+$/, '');
  return isIP(host) || host.includes('/') || host.includes(':') || !/[a-z]/i.test(host) ? [] : [host];
}
