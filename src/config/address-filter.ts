/**
 * Filters of outgoing traffic and DNS: `[tcp://|udp://|any://][address | [v6] | subnet/bits | hostname][:port]`, as in
 * mirrord's configuration. `0.0.0.0` and `::` mean any address, no port or port 0 means any port.
 */
import { BlockList, isIP } from 'node:net';
import { MirrordError } from '../errors';

export type FilterProtocol = 'tcp' | 'udp' | 'any';

export interface AddressRule {
  /** As it was written, for messages. */
  entry: string;
  protocol: FilterProtocol;
  host: { kind: 'any' } | { kind: 'name'; name: string } | { kind: 'addresses'; list: BlockList };
  /** Undefined = any. */
  port: number | undefined;
}

export interface FilteredAddress {
  protocol: 'tcp' | 'udp';
  address: string;
  port: number;
  /** The name the address was looked up by, if it was. */
  name: string | undefined;
}

const SYNTAX = /^(?:([^:/[\]]+):\/\/)?(.*)$/s;
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'any'] satisfies FilterProtocol[];
/** Letters, digits, hyphen and underscore; Kubernetes names and names of the hosts file are of that kind. */
const HOST_NAME = /^(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?$/i;
const MAX_NAME = 253;

/**
 * Reads one entry.
 *
 * @throws MirrordError CONFIG_INVALID_FILTER: names the entry and the part that is wrong.
 */
export function parseAddressFilter(entry: string): AddressRule {
  const [, scheme, rest = ''] = SYNTAX.exec(entry.trim()) ?? [];
  const protocol = scheme?.toLowerCase() ?? 'any';
  if (!PROTOCOLS.includes(protocol)) throw invalid(entry, `"${scheme}" is not one of tcp, udp, any`);
  const { host, bits, port } = split(entry, rest);
  if (host === '' && port === undefined) throw invalid(entry, 'it has neither an address nor a port');
  return {
    entry,
    protocol: protocol as FilterProtocol,
    host: readHost(entry, host, bits),
    port: readPort(entry, port),
  };
}

export function matchesAddress(rule: AddressRule, { protocol, address, port, name }: FilteredAddress): boolean {
  if (rule.protocol !== 'any' && rule.protocol !== protocol) return false;
  if (rule.port !== undefined && rule.port !== port) return false;
  if (rule.host.kind === 'any') return true;
  if (rule.host.kind === 'name') return name !== undefined && rule.host.name === normalizeName(name);
  return rule.host.list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Names are compared without case and without the dot of the root. */
export function normalizeName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

interface Parts {
  host: string;
  bits: string | undefined;
  port: string | undefined;
}

/** Takes `host`, `/bits` and `:port` apart. An IPv6 address is bracketed, or stands alone without a port. */
function split(entry: string, text: string): Parts {
  const [address = '', suffix] = text.split(/(?<=^[^/]*)\/(?=[^/]*$)/, 2);
  if (suffix !== undefined) {
    const [bits, port] = suffix.replace(/\]/, '').split(':', 2);
    return { host: address.replace(/^\[|\]$/g, ''), bits, port };
  }
  if (text.includes('/')) throw invalid(entry, 'it has more than one "/"');
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(text);
  if (bracketed) return { host: bracketed[1] ?? '', bits: undefined, port: bracketed[2] };
  if (isIP(text) === 6) return { host: text, bits: undefined, port: undefined };
  const colon = text.indexOf(':');
  if (colon === -1) return { host: text, bits: undefined, port: undefined };
  return { host: text.slice(0, colon), bits: undefined, port: text.slice(colon + 1) };
}

function readPort(entry: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw invalid(entry, `"${text}" is not a port (0 to 65535)`);
  return Number(text) || undefined;
}

function readHost(entry: string, host: string, bits: string | undefined): AddressRule['host'] {
  const version = isIP(host);
  if (bits !== undefined) return { kind: 'addresses', list: readSubnet(entry, host, version, bits) };
  if (host === '' || host === '0.0.0.0' || host === '::') return { kind: 'any' };
  if (version !== 0) {
    const list = new BlockList();
    list.addAddress(host, version === 6 ? 'ipv6' : 'ipv4');
    return { kind: 'addresses', list };
  }
  // A last label of digits is a mistyped IPv4 address: no such name exists.
  if (host.length > MAX_NAME || !HOST_NAME.test(host) || /(^|\.)\d+\.?$/.test(host)) {
    throw invalid(entry, `"${host}" is neither an IP address nor a host name`);
  }
  return { kind: 'name', name: normalizeName(host) };
}

function readSubnet(entry: string, host: string, version: number, bits: string): BlockList {
  if (version === 0) throw invalid(entry, `"${host}" is not an IP address, and only an address can have a "/${bits}"`);
  const most = version === 6 ? 128 : 32;
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most)
    throw invalid(entry, `"/${bits}" is not a prefix of 0 to ${most} bits`);
  const list = new BlockList();
  list.addSubnet(host, Number(bits), version === 6 ? 'ipv6' : 'ipv4');
  return list;
}

function invalid(entry: string, what: string): MirrordError {
  return new MirrordError('CONFIG_INVALID_FILTER', `The filter "${entry}" cannot be read: ${what}.`, {
    hint: 'Write [tcp://|udp://|any://][address | [IPv6 address] | subnet/bits | hostname][:port], for example "10.0.0.0/8", "tcp://db.shop:5432", "[fd00::1]:443" or ":8080".',
    details: { entry },
  });
}
