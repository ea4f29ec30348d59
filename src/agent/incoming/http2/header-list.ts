import { type IncomingHttpHeaders, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';

/**
 * Headers as they are sent on: each value by itself, where Node joins those of one name. What may stand only once stays once.
 *
 * @param raw Names and values in turn, as they came.
 */
export function passedOn(headers: IncomingHttpHeaders, raw: string[]): OutgoingHttpHeaders {
  const lists = new Map<string, string[]>();
  for (let at = 0; at < raw.length; at += 2) {
    const known = lists.get(raw[at]!);
    if (known) known.push(raw[at + 1]!);
    else lists.set(raw[at]!, [raw[at + 1]!]);
  }
  const result: OutgoingHttpHeaders = Object.create(null);
  for (const [name, values] of lists)
    result[name] = values.length === 1 || headers[name] === values[0] ? values[0] : values;
  // What the sender does not want in a compression table is to stay out of the next one too.
  const sensitive = (headers as { [sensitiveHeaders]?: string[] })[sensitiveHeaders];
  if (sensitive?.length) Object.assign(result, { [sensitiveHeaders]: sensitive });
  return result;
}
