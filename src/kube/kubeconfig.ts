import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { load as parseYaml } from 'js-yaml';
import { MirrordError, nearestWord } from '../errors';

/** A cluster, user or context as written, under the names the file has; paths made absolute. */
export type Entry = Record<string, any>;

/** The files of one kubeconfig, merged as kubectl merges them: the first to name a thing wins. */
export interface Kubeconfig {
  clusters: Map<string, Entry>;
  users: Map<string, Entry>;
  contexts: Map<string, Entry>;
  /** By the name of a user: the file that describes it. */
  userFiles: Map<string, string>;
  currentContext: string | undefined;
  files: string[];
}

export interface ChosenContext {
  name: string;
  namespace: string | undefined;
  cluster: Entry;
  user: Entry;
  /** The file that describes the user; undefined where there is none. */
  userFile?: string;
}

/** Fields that hold paths: relative ones are relative to the file that names them. */
const PATH_FIELDS = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'];

/** Paths of a kubeconfig: the given list, else KUBECONFIG, else the one in the home folder. */
export function kubeconfigPaths(given: string | undefined, env: NodeJS.ProcessEnv): string[] {
  const list = given ?? (env.KUBECONFIG || undefined) ?? join(env.HOME || homedir(), '.kube', 'config');
  return list
    .split(delimiter)
    .filter(Boolean)
    .map((path) => (/^~(?=$|[/\\])/.test(path) ? join(env.HOME || homedir(), path.slice(1)) : resolve(path)));
}

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
    throw invalid(path, `cannot be read: ${(cause as Error).message}`, cause);
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
    throw invalid(
      path,
      mark ? `is not valid YAML at line ${mark.line + 1}, column ${mark.column + 1}` : 'is not valid JSON',
    );
  }
  throw invalid(path, 'does not hold an object');
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
    if (!Array.isArray(entries)) throw invalid(path, `has "${list}" that is not a list`);
    for (const item of entries) {
      if (typeof item?.name !== 'string') throw invalid(path, `has an entry without a name in "${list}"`);
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

/**
 * The named context, or the current one, with its cluster and user.
 *
 * @throws MirrordError KUBE_CONTEXT_NOT_FOUND, KUBECONFIG_INVALID
 */
export function chooseContext(kubeconfig: Kubeconfig, wanted: string | undefined): ChosenContext {
  const name = wanted ?? kubeconfig.currentContext;
  const files = kubeconfig.files.join(', ');
  const context = name === undefined ? undefined : kubeconfig.contexts.get(name);
  if (name === undefined || !context) {
    const known = [...kubeconfig.contexts.keys()];
    const near = name && nearestWord(name, known);
    throw new MirrordError(
      'KUBE_CONTEXT_NOT_FOUND',
      name === undefined
        ? `No current context is set in ${files}.`
        : `There is no context "${name}" in ${files}.${near ? ` Did you mean "${near}"?` : ''}`,
      {
        hint: `Contexts there are: ${known.join(', ') || 'none'}. Name one with MIRRORD_KUBE_CONTEXT or "kube_context", or run kubectl config use-context NAME.`,
      },
    );
  }
  const cluster = kubeconfig.clusters.get(context.cluster);
  if (!cluster) throw invalid(files, `has context "${name}" with cluster "${context.cluster}", which is not defined`);
  if (typeof cluster.server !== 'string') throw invalid(files, `has cluster "${context.cluster}" without a server`);
  const user = context.user ? kubeconfig.users.get(context.user) : {};
  if (!user) throw invalid(files, `has context "${name}" with user "${context.user}", which is not defined`);
  const userFile = kubeconfig.userFiles.get(context.user);
  return { name, namespace: context.namespace || undefined, cluster, user, userFile };
}

function invalid(path: string, what: string, cause?: unknown): MirrordError {
  return new MirrordError('KUBECONFIG_INVALID', `Kubeconfig ${path} ${what}.`, {
    hint: 'Check it with: kubectl config view',
    cause,
  });
}
