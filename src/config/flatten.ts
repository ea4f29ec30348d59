import { MirrordError, nearestWord } from '../errors';
import { isSection, type Section, type Setting } from './schema';
import { isPlainObject } from './value-types';

/** One value that was given: by its key (`feature.fs.mode`), with where it was given. */
export interface GivenValue {
  value: unknown;
  source: string;
}

export type Values = ReadonlyMap<string, GivenValue>;

export interface Layer {
  values: Map<string, GivenValue>;
  warnings: string[];
}

export interface FlattenOptions {
  /** Where the object comes from, for messages. */
  source: string;
  /** Accept `startupTimeout` for `startup_timeout`, as the JavaScript API does. */
  camelCase?: boolean;
}

/**
 * Checks a whole object against a section and gives its settings by their dotted keys.
 *
 * @throws MirrordError CONFIG_UNKNOWN_KEY, CONFIG_INVALID_VALUE
 */
export function flatten(section: Section, object: unknown, options: FlattenOptions): Layer {
  const layer: Layer = { values: new Map(), warnings: [] };
  visitSection(section, object, '', layer, options);
  return layer;
}

function visitSection(section: Section, given: unknown, path: string, layer: Layer, options: FlattenOptions): void {
  const object = isPlainObject(given) ? given : section.shorthand?.(given);
  if (object === undefined) {
    throw invalidValue(path, given, section.expected ?? 'an object', options.source);
  }
  if (section.notEmpty && Object.values(object).every((value) => value === undefined || value === null)) {
    throw invalidValue(path, given, `${section.expected ?? 'an object'}, not an empty one`, options.source);
  }
  for (const [name, value] of Object.entries(object)) {
    // `undefined` and `null` say "not given": options objects are often built with optional parts.
    if (value === undefined || value === null) continue;
    const key = findKey(section, name, options);
    if (key === undefined) throw unknownKey(section, name, path, options);
    const keyPath = path ? `${path}.${key}` : key;
    const node = section.keys[key]!;
    if (isSection(node)) visitSection(node, value, keyPath, layer, options);
    else addValue(layer, node, keyPath, value, options.source);
  }
}

/** Puts one setting into the layer, with the warning when it has no effect. */
export function addValue(layer: Layer, node: Setting, path: string, given: unknown, source: string): void {
  const value = node.type.parse(given);
  if (value === undefined) throw invalidValue(path, given, node.type.expected, source);
  const why = typeof node.inactive === 'function' ? node.inactive(value) : node.inactive;
  if (why) layer.warnings.push(`${path} (${source}) ${why}.`);
  layer.values.set(path, { value, source });
}

function findKey(section: Section, name: string, { camelCase }: FlattenOptions): string | undefined {
  if (Object.hasOwn(section.keys, name)) return name;
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return camelCase && Object.hasOwn(section.keys, snake) ? snake : undefined;
}

function unknownKey(section: Section, name: string, path: string, { source }: FlattenOptions): MirrordError {
  const known = Object.keys(section.keys).filter((key) => key !== '$schema');
  const near = nearestWord(name, known);
  const full = path ? `${path}.${name}` : name;
  return new MirrordError(
    'CONFIG_UNKNOWN_KEY',
    `Unknown key "${full}" in ${source}.${near ? ` Did you mean "${path ? `${path}.` : ''}${near}"?` : ''}`,
    { hint: `Keys ${path ? `of "${path}"` : 'at the top'} are: ${known.join(', ')}.`, details: { key: full, source } },
  );
}

export function invalidValue(path: string, given: unknown, expected: string, source: string): MirrordError {
  return new MirrordError(
    'CONFIG_INVALID_VALUE',
    `${path || 'The configuration'} is ${describeValue(path, given)} in ${source}; expected ${expected}.`,
    { hint: `Correct ${path || 'it'} in ${source}.`, details: { key: path, source } },
  );
}

/** Values that may be secret are told by their type alone. */
function describeValue(path: string, given: unknown): string {
  const type = Array.isArray(given) ? 'a list' : given === null ? 'null' : `a ${typeof given}`;
  if (path.startsWith('feature.env.override') || path.startsWith('feature.env.mapping')) return type;
  const text = JSON.stringify(given) ?? String(given);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
