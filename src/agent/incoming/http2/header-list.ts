import { type IncomingHttpHeaders, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';

/**
 * Headers as they are sent on: each value by itself, where Node joins those of one name. What may stand only once stays once.
 *
 * @param raw Names and values in turn, as they came.
 */
export function passedOn(headers: IncomingHttpHeaders, raw: string[]): OutgoingHttpHeaders {
  const result: Record<string, string | string[]> = Object.create(null);
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!;
    const value = raw[at + 1]!;
    const known = result[name];
    if (known === undefined) result[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else if (headers[name] !== known) result[name] = [known, value];
  }
  // What the sender does not want in a compression table is to stay out of the next one too.
  const sensitive = (headers as { [sensitiveHeaders]?: string[] })[sensitiveHeaders];
  if (sensitive?.length) Object.assign(result, { [sensitiveHeaders]: sensitive });
  return result;
}
