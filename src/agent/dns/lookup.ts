import * as dns from 'node:dns';
import type { Params, Result } from '../../protocol/contract';
import type { Families } from '../families';
import { dnsFailure } from './errors';

const KNOWN_HINTS = dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL;

/**
 * `getaddrinfo` as the pod would do it: the agent's own resolv.conf and hosts are copies of the target's, and the process
 * is in the target's network namespace. libuv lets name lookups take half of its threads only, so that a dead name
 * server cannot stop file access.
 */
export async function lookup(
  { hostname, family, hints, order }: Params<'dns.lookup'>,
  families: Families,
): Promise<Result<'dns.lookup'>> {
  try {
    // `order` came with Node 20.13; the types of the oldest supported Node do not know it yet.
    const options = { all: true, family, hints: hints & KNOWN_HINTS, order } as dns.LookupAllOptions;
    const found = await dns.promises.lookup(hostname, options);
    const addresses = found.map(
      ({ address, family: answered }) => ({ address, family: answered === 6 ? 6 : 4 }) as const,
    );
    return { addresses: family === 0 ? onlyRoutable(addresses, families) : addresses };
  } catch (error) {
    throw dnsFailure(error);
  }
}

export async function lookupService({
  address,
  port,
}: Params<'dns.lookupService'>): Promise<Result<'dns.lookupService'>> {
  try {
    return await dns.promises.lookupService(address, port);
  } catch (error) {
    throw dnsFailure(error);
  }
}

type Address = Result<'dns.lookup'>['addresses'][number];

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

/**
 * Leaves out families that the pod cannot route: connecting to them would only cost the caller an attempt. Loopback is
 * always routable; when nothing would be left, the caller gets all and sees the kernel's own error.
 */
export function onlyRoutable(addresses: Address[], families: Families): Address[] {
  const routable = addresses.filter(
    ({ address, family }) => isLoopback(address) || (family === 4 ? families.ipv4 : families.ipv6),
  );
  return routable.length > 0 ? routable : addresses;
}
