import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
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

/** Paths of a kubeconfig: the given list, else KUBECONFIG, else the one in the home folder. */
export function kubeconfigPaths(given: string | undefined, env: NodeJS.ProcessEnv): string[] {
  const list = given ?? (env.KUBECONFIG || undefined) ?? join(env.HOME || homedir(), '.kube', 'config');
  return list
    .split(delimiter)
    .filter(Boolean)
    .map((path) => (/^~(?=$|[/\\])/.test(path) ? join(env.HOME || homedir(), path.slice(1)) : resolve(path)));
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
  if (!cluster)
    throw invalidKubeconfig(files, `has context "${name}" with cluster "${context.cluster}", which is not defined`);
  if (typeof cluster.server !== 'string')
    throw invalidKubeconfig(files, `has cluster "${context.cluster}" without a server`);
  const user = context.user ? kubeconfig.users.get(context.user) : {};
  if (!user) throw invalidKubeconfig(files, `has context "${name}" with user "${context.user}", which is not defined`);
  const userFile = kubeconfig.userFiles.get(context.user);
  return { name, namespace: context.namespace || undefined, cluster, user, userFile };
}

export function invalidKubeconfig(path: string, what: string, cause?: unknown): MirrordError {
  return new MirrordError('KUBECONFIG_INVALID', `Kubeconfig ${path} ${what}.`, {
    hint: 'Check it with: kubectl config view',
    cause,
  });
}
