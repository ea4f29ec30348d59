import { badParameters } from '../../failure';

type Select = (values: unknown[]) => unknown[];

/** More than this found in one body is a query that means everything. */
const MAX_FOUND = 10_000;
const STEP =
  /^(?:(\.\.)(?:([A-Za-z_][\w-]*)|(\*)|(?=\[))|\.([A-Za-z_][\w-]*)|\.(\*)|\[(-?\d+)\]|\[(\*)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[(-?\d*):(-?\d*)\])/;

/**
 * The values that a JSON path (RFC 9535) finds: names, indexes, wildcards, slices and descendants. `typeof(PATH)` gives the
 * type of each instead. Filter expressions in brackets are not part of it. Throws BAD_PARAMETERS.
 */
export function compileJsonPath(query: string, at: string): (document: unknown) => unknown[] {
  const inner = /^typeof\((.*)\)$/s.exec(query.trim());
  const path = (inner?.[1] ?? query).trim();
  if (!path.startsWith('$')) throw badParameters(`${at} must begin with "$", got "${query.slice(0, 100)}"`);
  const steps: Select[] = [];
  let rest = path.slice(1).trim();
  while (rest !== '') {
    const step = STEP.exec(rest);
    if (!step) throw badParameters(`${at} cannot be read from "${rest.slice(0, 40)}" on`);
    steps.push(...toSteps(step));
    rest = rest.slice(step[0].length);
  }
  return (document) => {
    const found = steps.reduce((values, step) => step(values).slice(0, MAX_FOUND), [document]);
    return inner ? found.map(typeName) : found;
  };
}

function toSteps(step: RegExpExecArray): Select[] {
  const [, deep, deepName, deepAll, name, all, index, allIndexes, single, double, from, to] = step;
  const named = deepName ?? name ?? single?.replace(/\\(.)/g, '$1') ?? double?.replace(/\\(.)/g, '$1');
  const steps: Select[] = deep ? [descendants] : [];
  if (named !== undefined) steps.push((values) => values.flatMap((value) => member(value, named)));
  else if (deepAll || all || allIndexes) steps.push((values) => values.flatMap(children));
  else if (index !== undefined) steps.push((values) => values.flatMap((value) => at(value, Number(index))));
  else if (from !== undefined && to !== undefined)
    steps.push((values) => values.flatMap((value) => slice(value, from, to)));
  return steps;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const children = (value: unknown): unknown[] => (isObject(value) ? Object.values(value) : []);

function member(value: unknown, name: string): unknown[] {
  return isObject(value) && !Array.isArray(value) && Object.hasOwn(value, name)
    ? [(value as Record<string, unknown>)[name]]
    : [];
}

function at(value: unknown, index: number): unknown[] {
  if (!Array.isArray(value)) return [];
  const found = index < 0 ? value.length + index : index;
  return found in value ? [value[found]] : [];
}

function slice(value: unknown, from: string, to: string): unknown[] {
  if (!Array.isArray(value)) return [];
  return value.slice(from === '' ? 0 : Number(from), to === '' ? undefined : Number(to));
}

function descendants(values: unknown[]): unknown[] {
  const found = [...values];
  for (let next = 0; next < found.length && found.length < MAX_FOUND; next++) found.push(...children(found[next]));
  return found;
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
