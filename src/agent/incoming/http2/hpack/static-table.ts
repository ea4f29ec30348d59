import type { Field } from './field';

/** RFC 7541 appendix A, `name=value` or a name alone, from index 1 on. */
const ENTRIES = `:authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https
:status=200 :status=204 :status=206 :status=304 :status=400 :status=404 :status=500
accept-charset accept-encoding=gzip,~deflate accept-language accept-ranges accept access-control-allow-origin age allow
authorization cache-control content-disposition content-encoding content-language content-length content-location
content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range
if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh
retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate`;

export const STATIC_TABLE: readonly Field[] = ENTRIES.split(/\s+/).map((entry) => {
  const [name = '', value = ''] = entry.replace('~', ' ').split('=');
  return { name, value, never: false };
});

const byName = new Map<string, number>();
const byField = new Map<string, number>();
for (const [at, { name, value }] of STATIC_TABLE.entries()) {
  if (!byName.has(name)) byName.set(name, at + 1);
  byField.set(`${name}\n${value}`, at + 1);
}

/** The index of the first entry with this name; 0 = none. */
export function staticName(name: string): number {
  return byName.get(name) ?? 0;
}

/** The index of the entry that says both; 0 = none. */
export function staticField({ name, value }: Field): number {
  return byField.get(`${name}\n${value}`) ?? 0;
}
