import { isIP } from 'node:net';
import { normalizeName } from '../config/address-filter';
import type { AddressFilter } from '../config/types';
import { type AddressRules, compileFilter } from './address-rules';
import { type BypassReason, REMOTE, type ResolverAccess, type Verdict } from './verdict';

export interface ResolverPolicyOptions {
  dns: { enabled: boolean; filter: AddressFilter | undefined };
  /** Names that outgoing traffic treats apart are resolved on the side that will connect to them. */
  outgoingFilter: AddressFilter | undefined;
}

export type ResolverPolicy = Pick<ResolverAccess, 'decide' | 'remember'> & {
  /** The name an address was last the answer for. */
  nameOf(address: string): string | undefined;
};

/** Addresses whose names are kept; the oldest answer goes first. */
export const MAX_REMEMBERED = 4096;

/**
 * Says which names the pod resolves, and remembers the answers for rules by name.
 *
 * @throws MirrordError CONFIG_INVALID_FILTER
 */
export function createResolverPolicy({ dns, outgoingFilter }: ResolverPolicyOptions): ResolverPolicy {
  const filters = [compileFilter(dns.filter), compileFilter(outgoingFilter)].filter((filter) => filter !== undefined);
  const names = new Map<string, string>();

  function reasonToBypass(hostname: string): BypassReason | undefined {
    if (hostname === '' || isIP(hostname) !== 0) return 'not-a-name';
    const name = normalizeName(hostname);
    if (name === 'localhost') return 'loopback';
    if (!dns.enabled) return 'feature-off';
    return filters.some((filter) => staysLocal(filter, name)) ? 'configured-local' : undefined;
  }

  return {
    decide(hostname): Verdict {
      const reason = reasonToBypass(hostname);
      return reason ? { kind: 'bypass', reason } : REMOTE;
    },
    remember(hostname, addresses) {
      for (const address of addresses) {
        // Deleted first, so that the order of the map is the order of the last answers.
        names.delete(address);
        names.set(address, normalizeName(hostname));
        if (names.size > MAX_REMEMBERED) names.delete(names.keys().next().value!);
      }
    },
    nameOf: (address) => names.get(address),
  };
}

/**
 * A name has no port and no address yet. A list of local entries keeps a name here when it names it, whatever the port; a list
 * of remote entries does when it consists of names only, as an address in it could be this name's.
 */
function staysLocal({ side, rules }: AddressRules, name: string): boolean {
  const listed = rules.some(({ host }) => host.kind === 'name' && host.name === name);
  if (side === 'local') return listed;
  return !listed && rules.every(({ host }) => host.kind === 'name');
}
