import { isIPv4 } from 'node:net';

/**
 * The name that a reverse lookup asks for, for the policy to decide on. Of an IPv6 address only the zone: no rule names a
 * single one of those.
 */
export function reverseName(address: string): string {
  return isIPv4(address) ? `${address.split('.').reverse().join('.')}.in-addr.arpa` : 'ip6.arpa';
}
