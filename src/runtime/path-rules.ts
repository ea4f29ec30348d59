import { MirrordError } from '../errors';

/** Matches text against a list of patterns at once; undefined for an empty list, so that it costs nothing. */
export type Matcher = ((text: string) => boolean) | undefined;

/** The escape that makes text stand for itself in a pattern. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Patterns are written for Rust's regex crate in configurations that are shared with the native mirrord. */
function toJavaScript(source: string): string {
  return source
    .replace(/^\(\?i\)/, '')
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$');
}

/**
 * A pattern of the configuration, without regard to case.
 *
 * @throws MirrordError FS_PATTERN_INVALID when it is no regular expression.
 */
export function compilePattern(source: string, key: string): RegExp {
  try {
    return new RegExp(toJavaScript(source), 'i');
  } catch (cause) {
    throw new MirrordError(
      'FS_PATTERN_INVALID',
      `${key} holds ${JSON.stringify(source)}: ${(cause as Error).message}`,
      {
        hint: `Entries of ${key} are regular expressions, matched anywhere in the absolute path without regard to case.`,
        cause,
      },
    );
  }
}

/** Joins patterns into one expression. Each is compiled alone first, so that a bad one is named. */
export function compileList(sources: readonly string[], key: string): Matcher {
  if (sources.length === 0) return undefined;
  const patterns = sources.map((source) => compilePattern(source, key));
  // Numbered references would count across a joined expression, and names may not come twice in it.
  const joinable = patterns.every(({ source }) => !/\\[1-9k]|\(\?</.test(source));
  if (!joinable) return (text) => patterns.some((pattern) => pattern.test(text));
  const anchored = patterns.filter(({ source }) => isAnchored(source)).map(({ source }) => source.slice(1));
  const floating = patterns.filter(({ source }) => !isAnchored(source)).map(({ source }) => source);
  const start = join(anchored, '^');
  const anywhere = join(floating, '');
  return (text) => (start?.test(text) ?? false) || (anywhere?.test(text) ?? false);
}

/** One common `^` lets the engine give up after the first character instead of trying every position of the text. */
function join(sources: string[], prefix: string): RegExp | undefined {
  if (sources.length === 0) return undefined;
  return new RegExp(`${prefix}(?:${sources.map((source) => `(?:${source})`).join('|')})`, 'i');
}

/** Whether all of the pattern is behind its `^`: in `^a|b` it is not. Says no where it cannot tell. */
function isAnchored(source: string): boolean {
  const flat = source.replace(/\\.|\[[^\]]*\]|\([^()]*\)/g, '');
  return source.startsWith('^') && !/[|()[\]]/.test(flat);
}

/** `$1`, `${1}`, `${name}` and `$name` as Rust has them, in the notation of `String.replace`. */
function toReplacement(text: string): string {
  return text.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare;
    if (name === undefined) return whole;
    if (name === '0') return '$&';
    return /^\d+$/.test(name) ? `$${name}` : `$<${name}>`;
  });
}

/** Rewrites absolute paths; the first pattern that matches decides. Undefined without entries. */
export function compileMapping(mapping: Record<string, string>, key: string): ((path: string) => string) | undefined {
  const rules = Object.entries(mapping).map(([source, replacement]) => ({
    pattern: compilePattern(source, key),
    replacement: toReplacement(replacement),
  }));
  if (rules.length === 0) return undefined;
  return (path) => {
    const rule = rules.find(({ pattern }) => pattern.test(path));
    return rule ? path.replace(rule.pattern, rule.replacement) : path;
  };
}
