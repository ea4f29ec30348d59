import { AsyncResource } from 'node:async_hooks';
import dns, { type LookupAddress } from 'node:dns';
import type { PatchContext, ResolverAccess } from '../../runtime/verdict';
import { nextTick } from '../originals';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import { createLookupError } from './dns-errors';
import { type LookupOptions, readLookupOptions } from './lookup-options';

type Callback = (error: NodeJS.ErrnoException | null, ...results: unknown[]) => void;

/**
 * `dns.lookup` and `dns.promises.lookup`. `net` reads the former at each connect, so every client that connects by name
 * passes here. Bad arguments go to Node's own function, which has the right error for each.
 */
export function installLookup({ resolver, log }: PatchContext): Undo {
  /** Undefined = Node's own function is to answer. */
  function readCall(hostname: unknown, options: unknown): LookupOptions | undefined {
    if (typeof hostname !== 'string') return undefined;
    const read = readLookupOptions(options);
    if (!read) return undefined;
    const verdict = resolver.decide(hostname);
    log('dns', `lookup ${hostname}: ${verdict.kind === 'bypass' ? `here, ${verdict.reason}` : verdict.kind}`);
    return verdict.kind === 'remote' ? read : undefined;
  }

  const undos = [
    wrapMethod(
      dns,
      'lookup',
      (lookup) =>
        function (this: unknown, ...args: unknown[]) {
          const [hostname, second, third] = args;
          const callback = (args.length === 2 || typeof second === 'function' ? second : third) as Callback;
          const options =
            typeof callback === 'function' && readCall(hostname, second === callback ? undefined : second);
          if (!options) return Reflect.apply(lookup, this, args);
          const scope = new AsyncResource('MIRRORD_LOOKUP');
          const answer = (...results: Parameters<Callback>) => scope.runInAsyncScope(callback, undefined, ...results);
          resolve(resolver, hostname as string, options).then(
            (found) => outsidePromise(answer, null, ...(options.all ? [found] : [found[0]!.address, found[0]!.family])),
            (error) => outsidePromise(answer, error),
          );
          return {};
        },
    ),
    wrapMethod(
      dns.promises,
      'lookup',
      (lookup) =>
        function (this: unknown, ...args: unknown[]) {
          const [hostname, given] = args;
          const options = readCall(hostname, given);
          if (!options) return Reflect.apply(lookup, this, args);
          return resolve(resolver, hostname as string, options).then((found) => (options.all ? found : found[0]));
        },
    ),
  ];
  return () => {
    for (const undo of undos) undo();
  };
}

/** What the callback throws is the app's uncaught exception, as with Node, and not a rejected promise of ours. */
function outsidePromise(answer: (...results: Parameters<Callback>) => void, ...results: Parameters<Callback>): void {
  nextTick(answer, ...results);
}

/** @throws the error Node would give, also when the pod knows the name but has no address of the wanted family. */
async function resolve(resolver: ResolverAccess, hostname: string, options: LookupOptions): Promise<LookupAddress[]> {
  const { family, hints, order } = options;
  resolver.hold();
  try {
    const { result } = await resolver.call('dns.lookup', { hostname, family, hints, order });
    const addresses = routable(resolver, result.addresses);
    if (addresses.length === 0) throw Object.assign(new Error('ENOTFOUND'), { wire: { code: 'ENOTFOUND' } });
    resolver.remember(
      hostname,
      addresses.map(({ address }) => address),
    );
    return addresses;
  } catch (failure) {
    throw createLookupError(failure, 'getaddrinfo', hostname);
  } finally {
    resolver.release();
  }
}

/**
 * Leaves out families the pod has no route for: Node would try them first or in turn, each at the price of a round trip.
 * When nothing would be left the answer stays as it is, and the connect says what is wrong.
 */
function routable({ families }: ResolverAccess, addresses: LookupAddress[]): LookupAddress[] {
  if (!families) return addresses;
  const reachable = addresses.filter(({ family }) => (family === 6 ? families.ipv6 : families.ipv4));
  return reachable.length > 0 ? reachable : addresses;
}
