import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { load as parseYaml } from 'js-yaml';
import { type Entry, invalidKubeconfig, type Kubeconfig } from './kubeconfig';

/** Fields that hold paths: relative ones are relative to the file that names them. */
const PATH_FIELDS = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'];

/**
 * Reads and merges kubeconfig files. Of a list, files that do not exist are passed over.
 *
 * @returns undefined when none exists
 * @throws MirrordError KUBECONFIG_INVALID
 */
export function readKubeconfig(paths: string[]): Kubeconfig | undefined {
  const merged: Kubeconfig = {
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
    userFiles: new Map(),
    currentContext: undefined,
    files: [],
  };
  for (const path of paths) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    merged.files.push(path);
    addFile(merged, path, parseFile(path, text));
  }
  return merged.files.length > 0 ? merged : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalidKubeconfig(path, `cannot be read: ${(cause as Error).message}`, cause);
  }
}

function parseFile(path: string, text: string): Entry {
  try {
    const parsed = parseKubeconfig(text);
    if (parsed === undefined || parsed === null) return {};
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return parsed as Entry;
  } catch (cause) {
    // Parser messages may quote the line, and lines of this file hold tokens: only the place is told.
    const { mark } = cause as { mark?: { line: number; column: number } };
    throw invalidKubeconfig(
      path,
      mark ? `is not valid YAML at line ${mark.line + 1}, column ${mark.column + 1}` : 'is not valid JSON',
    );
  }
  throw invalidKubeconfig(path, 'does not hold an object');
}

export function parseKubeconfig(text: string): any {
  return text.trimStart().startsWith('{') ? JSON.parse(text) : parseYaml(text);
}

function addFile(merged: Kubeconfig, path: string, file: Entry): void {
  merged.currentContext ??= file['current-context'] || undefined;
  for (const [list, key] of [
    ['clusters', 'cluster'],
    ['users', 'user'],
    ['contexts', 'context'],
  ] as const) {
    const entries = file[list] ?? [];
    if (!Array.isArray(entries)) throw invalidKubeconfig(path, `has "${list}" that is not a list`);
    for (const item of entries) {
      if (typeof item?.name !== 'string') throw invalidKubeconfig(path, `has an entry without a name in "${list}"`);
      if (merged[list].has(item.name)) continue;
      merged[list].set(item.name, absolutePaths(item[key] ?? {}, dirname(path)));
      if (list === 'users') merged.userFiles.set(item.name, path);
    }
  }
}

function absolutePaths(entry: Entry, folder: string): Entry {
  const result = { ...entry };
  for (const field of PATH_FIELDS) {
    if (typeof result[field] === 'string' && result[field]) result[field] = resolve(folder, result[field]);
  }
  const command = result.exec?.command;
  // A bare word is looked up in PATH; anything with a separator is a path of the file's folder.
  if (typeof command === 'string' && /[/\\]/.test(command) && !isAbsolute(command)) {
    result.exec = { ...result.exec, command: resolve(folder, command) };
  }
  return result;
}
