import dns from 'node:dns';

export interface LookupOptions {
  family: 0 | 4 | 6;
  hints: number;
  all: boolean;
  order: 'verbatim' | 'ipv4first' | 'ipv6first';
}

const FAMILIES = new Map<unknown, 0 | 4 | 6>([
  [undefined, 0],
  [null, 0],
  [0, 0],
  [4, 4],
  [6, 6],
  ['IPv4', 4],
  ['IPv6', 6],
]);
const KNOWN_HINTS = dns.ADDRCONFIG | dns.ALL | dns.V4MAPPED;

/**
 * Reads the options of `dns.lookup` as Node does. Undefined for what Node refuses: its own function is then called with the
 * same arguments and throws its own error.
 */
export function readLookupOptions(options: unknown): LookupOptions | undefined {
  const order = dns.getDefaultResultOrder() as LookupOptions['order'];
  const defaults: LookupOptions = { family: 0, hints: 0, all: false, order };
  if (options === undefined || options === null) return defaults;
  if (typeof options === 'number') {
    return options === 0 || options === 4 || options === 6 ? { ...defaults, family: options } : undefined;
  }
  if (typeof options !== 'object') return undefined;
  const given = options as Record<string, unknown>;
  const family = FAMILIES.get(given.family);
  const hints = given.hints ?? 0;
  if (family === undefined || typeof hints !== 'number' || (hints >>> 0) & ~KNOWN_HINTS) return undefined;
  if (!isFlag(given.all) || !isFlag(given.verbatim)) return undefined;
  const chosen = readOrder(given, order);
  return chosen && { family, hints: hints >>> 0, all: given.all === true, order: chosen };
}

function readOrder(
  { order, verbatim }: Record<string, unknown>,
  fallback: LookupOptions['order'],
): LookupOptions['order'] | undefined {
  if (order === 'verbatim' || order === 'ipv4first' || order === 'ipv6first') return order;
  if (order !== undefined && order !== null) return undefined;
  if (typeof verbatim === 'boolean') return verbatim ? 'verbatim' : 'ipv4first';
  return fallback;
}

const isFlag = (value: unknown) => value === undefined || value === null || typeof value === 'boolean';
