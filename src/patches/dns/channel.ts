import { AsyncResource } from 'node:async_hooks';
import dns from 'node:dns';
import { isIP } from 'node:net';
import type { PatchContext } from '../../runtime/verdict';
import { nextTick, setImmediate } from '../originals';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import { wireErrorOf } from './dns-errors';
import { reverseName } from './reverse-name';

/** Node's `QueryReqWrap`: it builds results and errors itself from what c-ares says. */
interface QueryRequest {
  oncomplete(error: string | 0, records?: unknown, ttls?: number[]): void;
  ttl?: boolean;
}

interface Channel {
  setServers(servers: unknown): number;
  cancel(): void;
}

/** Node's methods and the record types they ask for. `queryTlsa` is missing in older versions. */
const RECORD_TYPES = {
  queryA: 'A',
  queryAaaa: 'AAAA',
  queryAny: 'ANY',
  queryCaa: 'CAA',
  queryCname: 'CNAME',
  queryMx: 'MX',
  queryNaptr: 'NAPTR',
  queryNs: 'NS',
  queryPtr: 'PTR',
  querySoa: 'SOA',
  querySrv: 'SRV',
  queryTlsa: 'TLSA',
  queryTxt: 'TXT',
  getHostByAddr: 'REVERSE',
} as const;

/** c-ares' word for "the server cannot be reached", here for a link that is lost. */
const UNREACHABLE = 'ECONNREFUSED';

/**
 * `dns.resolve*`, `dns.reverse` and both kinds of `Resolver` at the channel below them: one place for four interfaces. A
 * resolver that was given servers of its own means those, and is left alone.
 */
export function installChannel({ resolver, log }: PatchContext): Undo {
  const prototype = findChannelPrototype();
  const chosen = new WeakSet<Channel>();
  const running = new WeakMap<Channel, Set<(error: string | 0, records?: unknown, ttls?: number[]) => void>>();

  function query(channel: Channel, request: QueryRequest, name: string, rrtype: string): void {
    const scope = new AsyncResource('MIRRORD_QUERY');
    const siblings = running.get(channel) ?? new Set();
    running.set(channel, siblings);
    const complete = (...outcome: Parameters<QueryRequest['oncomplete']>) => {
      // Cancelled meanwhile: it was completed then.
      if (!siblings.delete(complete)) return;
      resolver.release();
      // On its own tick and bound, so that the stack of an error is Node's and what the app's callback throws is an
      // uncaught exception instead of a rejected promise of ours.
      scope.runInAsyncScope(nextTick, undefined, request.oncomplete.bind(request, ...outcome));
    };
    siblings.add(complete);
    resolver.hold();
    const ttl = request.ttl === true && (rrtype === 'A' || rrtype === 'AAAA');
    resolver.call('dns.resolve', { hostname: name, rrtype, ttl }).then(
      ({ result: { records } }) => {
        const [answer, ttls] = ttl ? splitTtls(records) : [records, undefined];
        if (rrtype === 'A' || rrtype === 'AAAA') resolver.remember(name, answer as string[]);
        complete(0, answer, ttls);
      },
      (failure) => complete(wireErrorOf(failure)?.code ?? UNREACHABLE),
    );
  }

  const undos = Object.entries(RECORD_TYPES).map(([method, rrtype]) =>
    wrapMethod(
      prototype,
      method as keyof Channel,
      (native) =>
        function (this: Channel, ...args: any[]) {
          const [request, name] = args as [QueryRequest, unknown];
          if (chosen.has(this) || typeof name !== 'string') return Reflect.apply(native, this, args);
          const byAddress = rrtype === 'REVERSE';
          if (byAddress && isIP(name) === 0) return Reflect.apply(native, this, args);
          const verdict = resolver.decide(byAddress ? reverseName(name) : name);
          log('dns', `${rrtype} ${name}: ${verdict.kind === 'bypass' ? `here, ${verdict.reason}` : verdict.kind}`);
          if (verdict.kind !== 'remote') return Reflect.apply(native, this, args);
          query(this, request, name, rrtype);
          return 0;
        },
    ),
  );
  undos.push(
    wrapMethod(
      prototype,
      'setServers',
      (setServers) =>
        function (this: Channel, ...args: unknown[]) {
          const status: number = Reflect.apply(setServers, this, args);
          if (status === 0) chosen.add(this);
          return status;
        },
    ),
    wrapMethod(
      prototype,
      'cancel',
      (cancel) =>
        function (this: Channel, ...args: unknown[]) {
          for (const complete of running.get(this) ?? []) setImmediate(complete, 'ECANCELLED');
          return Reflect.apply(cancel, this, args);
        },
    ),
  );
  return () => {
    for (const undo of undos) undo();
  };
}

/** The prototype of every resolver's handle; making a resolver opens no socket. */
function findChannelPrototype(): Channel {
  const { _handle: handle } = new dns.Resolver() as unknown as { _handle?: Channel };
  if (typeof handle?.setServers !== 'function') throw new Error('dns.Resolver has no handle in this version of Node');
  return Object.getPrototypeOf(handle) as Channel;
}

/** Node wants addresses and times to live apart, and puts them together again. */
function splitTtls(records: unknown): [string[], number[]] {
  const pairs = records as { address: string; ttl: number }[];
  return [pairs.map(({ address }) => address), pairs.map(({ ttl }) => ttl)];
}
