import { promises as dns, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;
/** As `dns.lookup`, for the `lookup` option of connections. */
export type Lookup = (hostname: string, options: { all?: boolean; family?: unknown }, callback: LookupCallback) => void;

/**
 * Resolves a host once and answers from memory ever after. Dialling again must not need the thread pool: while the app's
 * thread waits for a synchronous answer, its file calls may hold every thread of the pool.
 *
 * @throws the resolver's error, such as ENOTFOUND
 */
export async function resolveOnce(host: string): Promise<Lookup> {
  const addresses = isIP(host) ? [{ address: host, family: isIP(host) }] : await dns.lookup(host, { all: true });
  return (_hostname, options, callback) => {
    const wanted = options.family === 4 || options.family === 6 ? options.family : undefined;
    const fitting = addresses.filter(({ family }) => !wanted || family === wanted);
    const list = fitting.length > 0 ? fitting : addresses;
    if (options.all) callback(null, list);
    else callback(null, list[0]!.address, list[0]!.family);
  };
}
