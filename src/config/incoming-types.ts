import type { HttpFilter } from './types';
import { isPlainObject, patternList, string, type ValueType } from './value-types';

const port = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;

export const portList: ValueType<number[]> = {
  expected: 'a list of ports from 1 to 65535',
  parse: (value) => (Array.isArray(value) && value.length > 0 && value.every(port) ? value : undefined),
  fromText: (text) => text.split(/[;,]/).map((entry) => (entry.trim() === '' ? Number.NaN : Number(entry))),
};

/** A mapping that can be read both ways: no port stands twice on one side. */
export const portPairs: ValueType<[number, number][]> = {
  expected: 'a list of pairs of ports such as [[3000, 80]], with no port twice on the same side',
  parse(value) {
    if (!Array.isArray(value)) return undefined;
    const pairs = value.filter((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(port));
    const distinct = [0, 1].every((side) => new Set(pairs.map((pair) => pair[side])).size === pairs.length);
    return pairs.length === value.length && distinct ? pairs : undefined;
  },
};

/** One regular expression. */
export const pattern: ValueType<string> = {
  expected: 'a JavaScript regular expression that is not empty',
  parse: (value) => (typeof value === 'string' ? patternList.parse(value)?.[0] || undefined : undefined),
};

/** A token of HTTP. */
export const methodName: ValueType<string> = {
  expected: 'the name of an HTTP method, such as "GET"',
  parse: (value) => (typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(value) ? value : undefined),
};

const BODY = '{ "body": "json", "query": JSON path that begins with "$", "matches": regular expression }';

export const jsonBodyFilter: ValueType<HttpFilter['body']> = {
  expected: `an object ${BODY}`,
  parse(value) {
    if (!isPlainObject(value)) return undefined;
    const { body, query, matches, ...others } = value;
    const expression = pattern.parse(matches);
    const path = string.parse(query);
    if (Object.keys(others).length > 0 || body !== 'json' || !path?.startsWith('$') || !expression) return undefined;
    return { query: path, matches: expression };
  },
};

/** What `all_of` and `any_of` hold. */
export const filterList: ValueType<HttpFilter[]> = {
  expected: `a list, not empty, of { "header": regular expression }, { "path": regular expression }, { "method": name } and ${BODY}`,
  parse(value) {
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const filters = value.map(parseEntry).filter((entry) => entry !== undefined);
    return filters.length === value.length ? filters : undefined;
  },
};

function parseEntry(entry: unknown): HttpFilter | undefined {
  if (!isPlainObject(entry)) return undefined;
  if ('body' in entry) {
    const body = jsonBodyFilter.parse(entry);
    return body && { body };
  }
  const [[kind, value] = ['', undefined], ...more] = Object.entries(entry);
  if (more.length > 0) return undefined;
  const parsed = kind === 'method' ? methodName.parse(value) : pattern.parse(value);
  return parsed !== undefined && ['header', 'path', 'method'].includes(kind) ? { [kind]: parsed } : undefined;
}

/** A key whose every value is an error. */
export const unsupported = (instead: string): ValueType<never> => ({ expected: instead, parse: () => undefined });
