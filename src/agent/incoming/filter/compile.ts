import type { HttpFilter } from '../../../protocol/contract';
import { badParameters } from '../../failure';
import { compileJsonPath } from './json-path';
import { guardedRegExp } from './regexp';

/** What a filter looks at. Headers with the names and values as they were sent. */
export interface RequestFacts {
  method: string;
  /** Path with query. */
  target: string;
  headers: [name: string, value: string][];
  /** The whole body; undefined when it is too long, too slow, or nobody asked for it. */
  body?: Buffer;
}

export interface RequestMatcher {
  /** Whether it has to see the body before it can tell. */
  readonly needsBody: boolean;
  test(facts: RequestFacts): boolean;
}

const MAX_DEPTH = 8;
const KINDS = ['header', 'path', 'method', 'body', 'allOf', 'anyOf'] as const;

/** Throws BAD_PARAMETERS that names the part and the rule. */
export function compileFilter(filter: HttpFilter, at = 'filter', depth = 0): RequestMatcher {
  if (typeof filter !== 'object' || filter === null) throw badParameters(`${at} must be an object`);
  const given = KINDS.filter((kind) => filter[kind] !== undefined);
  if (given.length !== 1)
    throw badParameters(`${at} must have exactly one of ${KINDS.join(', ')}, got ${given.length}`);
  if (depth > MAX_DEPTH) throw badParameters(`${at} is nested more than ${MAX_DEPTH} deep`);
  const kind = given[0]!;
  if (kind === 'allOf' || kind === 'anyOf') return compileList(filter[kind]!, kind, `${at}.${kind}`, depth);
  if (kind === 'body') return compileBody(filter.body!, `${at}.body`);
  const text = filter[kind];
  if (typeof text !== 'string' || text === '') throw badParameters(`${at}.${kind} must be a text that is not empty`);
  if (kind === 'method') return onHead(({ method }) => method.toUpperCase() === text.toUpperCase());
  const matches = guardedRegExp(text, `${at}.${kind}`);
  if (kind === 'header') return onHead(({ headers }) => headers.some(([name, value]) => matches(`${name}: ${value}`)));
  return onHead(({ target }) => matches(pathOf(target)) || matches(target));
}

const onHead = (test: RequestMatcher['test']): RequestMatcher => ({ needsBody: false, test });

function compileList(list: HttpFilter[], kind: 'allOf' | 'anyOf', at: string, depth: number): RequestMatcher {
  if (!Array.isArray(list) || list.length === 0) throw badParameters(`${at} must be a list that is not empty`);
  const parts = list.map((part, index) => compileFilter(part, `${at}[${index}]`, depth + 1));
  const test = (facts: RequestFacts) =>
    kind === 'allOf' ? parts.every((part) => part.test(facts)) : parts.some((part) => part.test(facts));
  return { needsBody: parts.some(({ needsBody }) => needsBody), test };
}

function compileBody({ query, matches }: { query: string; matches: string }, at: string): RequestMatcher {
  if (typeof query !== 'string' || typeof matches !== 'string') {
    throw badParameters(`${at} must have the texts query and matches`);
  }
  const select = compileJsonPath(query, `${at}.query`);
  const fits = guardedRegExp(matches, `${at}.matches`);
  return {
    needsBody: true,
    test({ body }) {
      if (body === undefined || body.length === 0) return false;
      try {
        const found = select(JSON.parse(body.toString('utf8')));
        return found.some((value) => fits(typeof value === 'string' ? value : JSON.stringify(value)));
      } catch {
        // Not JSON: not what the filter is about.
        return false;
      }
    },
  };
}

/** Of an absolute form only the path, as proxies may send it. */
function pathOf(target: string): string {
  const path = /^https?:\/\/[^/?#]*/i.test(target) ? target.replace(/^https?:\/\/[^/?#]*/i, '') || '/' : target;
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
