import { badRequest } from './status';

export type Labels = Record<string, string> | undefined;

interface Requirement {
  key: string;
  operator: 'in' | 'notin' | 'exists' | '!';
  values: string[];
}

/** A parsed label selector; an empty one matches everything. */
export type LabelSelector = (labels: Labels) => boolean;

const TOKEN = /\s*(==|!=|[=!,()]|[^\s=!,()]+)/y;

/**
 * Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
 *
 * @throws StatusError 400 with the words of the real parser.
 */
export function parseLabelSelector(text: string): LabelSelector {
  const tokens = tokenize(text);
  const requirements: Requirement[] = [];
  while (tokens.length > 0) {
    requirements.push(parseRequirement(tokens));
    const next = tokens.shift();
    if (next === undefined) break;
    if (next !== ',') throw unexpected(next, "',' or 'end of string'");
    if (tokens.length === 0) throw unexpected('', "identifier after ','");
  }
  return (labels) => requirements.every((requirement) => meets(labels, requirement));
}

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) tokens.push(match[1]!);
  return tokens;
}

function parseRequirement(tokens: string[]): Requirement {
  const first = tokens.shift()!;
  if (first === '!') return { key: identifier(tokens.shift()), operator: '!', values: [] };
  const key = identifier(first);
  const operator = tokens[0];
  if (operator === undefined || operator === ',') return { key, operator: 'exists', values: [] };
  tokens.shift();
  switch (operator) {
    case '=':
    case '==':
      return { key, operator: 'in', values: [exactValue(tokens)] };
    case '!=':
      return { key, operator: 'notin', values: [exactValue(tokens)] };
    case 'in':
    case 'notin':
      return { key, operator, values: valueSet(tokens) };
    default:
      throw unexpected(operator, 'in, notin, =, ==, !=, gt, lt');
  }
}

/** An empty value is allowed: `a=` means that the label is there and empty. */
function exactValue(tokens: string[]): string {
  const next = tokens[0];
  if (next === undefined || next === ',') return '';
  return identifier(tokens.shift());
}

function valueSet(tokens: string[]): string[] {
  const open = tokens.shift();
  if (open !== '(') throw unexpected(open, "'('");
  const values: string[] = [];
  for (;;) {
    const token = tokens.shift();
    if (token === ')') return values;
    if (token === ',') continue;
    values.push(identifier(token, "',', ')' or identifier"));
  }
}

function identifier(token: string | undefined, expected = 'identifier'): string {
  if (token === undefined || /^[=!,()]/.test(token)) throw unexpected(token, expected);
  return token;
}

function unexpected(token: string | undefined, expected: string) {
  return badRequest(`unable to parse requirement: found '${token ?? ''}', expected: ${expected}`);
}

function meets(labels: Labels, { key, operator, values }: Requirement): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
  }
}

interface StructuredSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

const OPERATORS: Record<string, Requirement['operator']> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** The selector of a workload's spec. One that is missing or empty matches nothing, so that it never adopts everything. */
export function matchesSelector(selector: StructuredSelector | undefined, labels: Labels): boolean {
  const requirements: Requirement[] = [
    ...Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => ({
      key,
      operator: 'in' as const,
      values: [value],
    })),
    ...(selector?.matchExpressions ?? []).map(({ key, operator, values = [] }) => ({
      key,
      operator: OPERATORS[operator] ?? ('exists' as const),
      values,
    })),
  ];
  return requirements.length > 0 && requirements.every((requirement) => meets(labels, requirement));
}

/** The text form of a workload's selector, as the scale subresource and kubectl's columns show it. */
export function formatSelector(selector: StructuredSelector | undefined): string {
  const exact = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${values.join(',')})`;
  });
  return [...exact, ...expressions].sort().join(',');
}
