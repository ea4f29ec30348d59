import { type AddressRule, type FilteredAddress, matchesAddress, parseAddressFilter } from '../config/address-filter';
import type { AddressFilter } from '../config/types';

/** A filter ready to be asked: the rules, and which side of the tunnel they name. */
export interface AddressRules {
  side: 'remote' | 'local';
  rules: AddressRule[];
}

/** @throws MirrordError CONFIG_INVALID_FILTER */
export function compileFilter(filter: AddressFilter | undefined): AddressRules | undefined {
  if (!filter) return undefined;
  return 'remote' in filter
    ? { side: 'remote', rules: filter.remote.map(parseAddressFilter) }
    : { side: 'local', rules: filter.local.map(parseAddressFilter) };
}

/** Which side an address belongs to: a list of one side leaves everything else to the other. */
export function sideOf(filter: AddressRules | undefined, address: FilteredAddress): 'remote' | 'local' {
  if (!filter) return 'remote';
  const listed = filter.rules.some((rule) => matchesAddress(rule, address));
  return listed === (filter.side === 'remote') ? 'remote' : 'local';
}
