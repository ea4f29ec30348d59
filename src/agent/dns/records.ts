import { promises } from 'node:dns';
import { statSync } from 'node:fs';
import type { Params, Result } from '../../protocol/contract';
import { failure } from '../failure';
import { dnsFailure } from './errors';

type Resolver = promises.Resolver;
type Query = (resolver: Resolver, name: string, ttl: boolean) => Promise<unknown>;

/** By the names of `dns.resolve`; REVERSE takes an address. */
const QUERIES: Record<string, Query> = {
  A: (resolver, name, ttl) => (ttl ? resolver.resolve4(name, { ttl }) : resolver.resolve4(name)),
  AAAA: (resolver, name, ttl) => (ttl ? resolver.resolve6(name, { ttl }) : resolver.resolve6(name)),
  ANY: (resolver, name) => resolver.resolveAny(name),
  CAA: (resolver, name) => resolver.resolveCaa(name),
  CNAME: (resolver, name) => resolver.resolveCname(name),
  MX: (resolver, name) => resolver.resolveMx(name),
  NAPTR: (resolver, name) => resolver.resolveNaptr(name),
  NS: (resolver, name) => resolver.resolveNs(name),
  PTR: (resolver, name) => resolver.resolvePtr(name),
  SOA: (resolver, name) => resolver.resolveSoa(name),
  SRV: (resolver, name) => resolver.resolveSrv(name),
  TXT: (resolver, name) => resolver.resolveTxt(name),
  REVERSE: (resolver, address) => resolver.reverse(address),
};

/** c-ares queries with the target's name servers. A Resolver reads resolv.conf once, so a changed file needs a new one. */
export class RecordResolver {
  #resolver: Resolver | undefined;
  #readAt = '';

  constructor(private readonly configPath = '/etc/resolv.conf') {}

  async resolve({ hostname, rrtype, ttl }: Params<'dns.resolve'>): Promise<Result<'dns.resolve'>> {
    const query = Object.hasOwn(QUERIES, rrtype) ? QUERIES[rrtype] : undefined;
    if (!query) {
      throw failure({
        code: 'UNKNOWN_RECORD_TYPE',
        message: `the agent cannot query "${rrtype}" records; it knows ${Object.keys(QUERIES).join(', ')}`,
      });
    }
    try {
      return { records: await query(this.#current(), hostname, ttl === true) };
    } catch (error) {
      throw dnsFailure(error);
    }
  }

  #current(): Resolver {
    const version = this.#version();
    if (this.#resolver === undefined || version !== this.#readAt) {
      this.#resolver = new promises.Resolver();
      this.#readAt = version;
    }
    return this.#resolver;
  }

  #version(): string {
    try {
      const { mtimeMs, ino, size } = statSync(this.configPath);
      return `${ino}:${mtimeMs}:${size}`;
    } catch {
      return 'absent';
    }
  }
}
