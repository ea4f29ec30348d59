import { readFile } from 'node:fs/promises';
import { failure } from './failure';

/** Bytes of `/proc/PID/environ`: `NAME=value` ended by NUL each. The first of two equal names counts, as in getenv. */
export function parseEnvironment(bytes: Uint8Array): Map<string, string> {
  const variables = new Map<string, string>();
  for (const entry of Buffer.from(bytes).toString('utf8').split('\0')) {
    const equals = entry.indexOf('=');
    // Entries without a name are leftovers of a program that rewrote its own title over the block.
    if (equals <= 0) continue;
    const name = entry.slice(0, equals);
    if (!variables.has(name)) variables.set(name, entry.slice(equals + 1));
  }
  return variables;
}

/**
 * Whether the whole name fits a pattern of `*` (any text), `?` (one character) and literals. Goes back to the last `*`
 * only, so time is bounded by name × pattern: a regular expression with many `*` could keep the agent busy for minutes.
 */
export function matchesWildcard(name: string, pattern: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    if (pattern[inPattern] === '*') {
      star = inPattern++;
      starAt = at;
    } else if (pattern[inPattern] === '?' || pattern[inPattern] === name[at]) {
      at++;
      inPattern++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === '*') inPattern++;
  return inPattern === pattern.length;
}

/** Keeps what `include` matches (all, if it is empty) and `exclude` does not. */
export function selectVariables(
  variables: Map<string, string>,
  include: string[],
  exclude: string[],
): Record<string, string> {
  const fits = (name: string, patterns: string[]) => patterns.some((pattern) => matchesWildcard(name, pattern));
  // Without a prototype, so that a variable named __proto__ is just a variable.
  const selected: Record<string, string> = Object.create(null);
  for (const [name, value] of variables) {
    if ((include.length === 0 || fits(name, include)) && !fits(name, exclude)) selected[name] = value;
  }
  return selected;
}

/** The variables a process was started with, from its `environ` in procfs. Throws TARGET_GONE when it has ended. */
export async function readEnvironment(environPath: string): Promise<Map<string, string>> {
  try {
    return parseEnvironment(await readFile(environPath));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw failure({ code: 'TARGET_GONE', message: `the variables of the target cannot be read (${code})` });
  }
}
