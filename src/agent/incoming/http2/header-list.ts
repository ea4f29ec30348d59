import { type IncomingHttpHeaders, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';
import type { RequestFacts } from '../filter/compile';
import type { Field } from './hpack/field';

/** Of these Node sends one at most; it takes the first of several itself. */
const SINGLE = new Set(
  `access-control-allow-credentials access-control-max-age access-control-request-method age authorization content-encoding
content-language content-length content-location content-md5 content-range content-type date dnt etag expires from host if-match
if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards proxy-authorization range
referer retry-after tk upgrade-insecure-requests user-agent x-content-type-options`.split(/\s+/),
);

/** What is for nobody but the other end of a connection, or would be read as more than one header further on. */
const CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const BAD_VALUE = /[\0\r\n]/;
const NAME = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** Whether RFC 9113 section 8.2 lets these headers stand in a request. */
export function isSound(fields: Field[]): boolean {
  let methods = 0;
  for (const { name, value } of fields) {
    if (name === ':method') methods += 1;
    if (!NAME.test(name) || BAD_VALUE.test(value) || CONNECTION.has(name)) return false;
    if (name === 'te' && value !== 'trailers') return false;
  }
  return methods === 1;
}

/** Headers as Node sends them: each value by itself, and once what may stand only once. */
export function toOutgoing(fields: Field[]): OutgoingHttpHeaders {
  const result: Record<string, string | string[]> = Object.create(null);
  const sensitive: string[] = [];
  for (const { name, value, never } of fields) {
    const known = result[name];
    if (known === undefined) result[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else if (!SINGLE.has(name) && !name.startsWith(':')) result[name] = [known, value];
    // What the sender does not want in a compression table is to stay out of the next one too.
    if (never) sensitive.push(name);
  }
  if (sensitive.length > 0) Object.assign(result, { [sensitiveHeaders]: sensitive });
  return result;
}

/** @param raw Names and values in turn, as they came. */
export function toFields(headers: IncomingHttpHeaders, raw: string[]): Field[] {
  const { [sensitiveHeaders]: sensitive = [] } = headers as { [sensitiveHeaders]?: string[] };
  const fields: Field[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!;
    fields.push({ name, value: raw[at + 1]!, never: sensitive.includes(name) });
  }
  return fields;
}

/** Headers of one value each. */
export function fieldsOf(headers: Record<string, string>): Field[] {
  return Object.entries(headers).map(([name, value]) => ({ name, value, never: false }));
}

/** What filters look at: the authority as HTTP/1 names it. */
export function factsOf(fields: Field[]): RequestFacts {
  const facts: RequestFacts = { method: '', target: '', headers: [] };
  for (const { name, value } of fields) {
    if (!name.startsWith(':')) facts.headers.push([name, value]);
    else if (name === ':method') facts.method = value;
    else if (name === ':path') facts.target = value;
    else if (name === ':authority') facts.headers.push(['host', value]);
  }
  return facts;
}
