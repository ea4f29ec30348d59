/**
 * What a setting may hold. `parse` gives the value in its normal form, or undefined when it is not of that type; then
 * `expected` ends the sentence "expected …".
 */
export interface ValueType<T = unknown> {
  expected: string;
  parse(value: unknown): T | undefined;
  /** How text from an environment variable becomes a value to parse; by default it stays text. */
  fromText?(text: string): unknown;
}

export const string: ValueType<string> = {
  expected: 'a string that is not empty',
  parse: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
};

export const boolean: ValueType<boolean> = {
  expected: 'true or false',
  parse: (value) => (typeof value === 'boolean' ? value : undefined),
  fromText: (text) => ({ true: true, false: false, '1': true, '0': false })[text.toLowerCase()] ?? text,
};

export function integer(min: number, max: number, unit = ''): ValueType<number> {
  return {
    expected: `a whole number${unit && ` of ${unit}`} from ${min} to ${max}`,
    parse: (value) =>
      Number.isInteger(value) && Number(value) >= min && Number(value) <= max ? Number(value) : undefined,
    fromText: (text) => (/^\d+$/.test(text.trim()) ? Number(text) : text),
  };
}

export function oneOf<const T extends string>(...words: T[]): ValueType<T> {
  return {
    expected: `one of ${words.map((word) => `"${word}"`).join(', ')}`,
    parse: (value) => words.find((word) => word.toLowerCase() === String(value).toLowerCase()),
  };
}

/** A single string stands for a list of one. Environment variables separate entries with `;`. */
export const stringList: ValueType<string[]> = {
  expected: 'a string or a list of strings',
  parse: (value) => {
    const list = typeof value === 'string' ? [value] : value;
    return Array.isArray(list) && list.every((entry) => typeof entry === 'string' && entry !== '') ? list : undefined;
  },
  fromText: (text) =>
    text
      .split(';')
      .map((entry) => entry.trim())
      .filter(Boolean),
};

/** Patterns are always case-insensitive, so the `(?i)` that other engines need is dropped. */
export const patternList: ValueType<string[]> = {
  ...stringList,
  expected: 'a JavaScript regular expression or a list of them',
  parse: (value) => stringList.parse(value)?.map(withoutInlineFlag).map(compiledOrUndefined).reduce(collect, []),
};

export const stringMap: ValueType<Record<string, string>> = {
  expected: 'an object of strings',
  parse: (value) => {
    if (!isPlainObject(value)) return undefined;
    // Numbers and booleans are what YAML makes of unquoted values.
    const entries = Object.entries(value).map(([key, entry]) => [key, isScalar(entry) ? String(entry) : undefined]);
    return entries.every(([, entry]) => entry !== undefined) ? Object.fromEntries(entries) : undefined;
  },
};

/** As `stringMap`, with regular expressions for keys. */
export const patternMap: ValueType<Record<string, string>> = {
  expected: 'an object from JavaScript regular expressions to strings',
  parse: (value) => {
    const map = stringMap.parse(value);
    return map && patternList.parse(Object.keys(map))
      ? Object.fromEntries(Object.entries(map).map(([key, entry]) => [withoutInlineFlag(key), entry]))
      : undefined;
  },
};

export const objectList: ValueType<Record<string, unknown>[]> = {
  expected: 'a list of objects',
  parse: (value) => (Array.isArray(value) && value.every(isPlainObject) ? value : undefined),
};

/** Whatever is written: for keys that are accepted and not acted on. */
export const anything: ValueType = { expected: 'anything', parse: (value) => value };

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function withoutInlineFlag(pattern: string): string {
  return pattern.replace(/^\(\?i\)/, '');
}

function compiledOrUndefined(pattern: string): string | undefined {
  try {
    new RegExp(pattern, 'i');
    return pattern;
  } catch {
    return undefined;
  }
}

function collect(list: string[] | undefined, pattern: string | undefined): string[] | undefined {
  return list && pattern !== undefined ? [...list, pattern] : undefined;
}
