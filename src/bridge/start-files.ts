import { type LoadedConfig, loadConfig, reloadConfig } from '../config/load-config';
import { type Kubeconfig, kubeconfigPaths } from '../kube/kubeconfig';
import { parseKubeconfig, readKubeconfig } from '../kube/read-kubeconfig';

// For the worker, which reads them seldom: its bundle has these from here.
export { loadConfig, parseKubeconfig, readKubeconfig, reloadConfig };

/** What the start of an owner reads of files and variables. Holds secrets; stays within the process. */
export interface StartFiles {
  loaded: LoadedConfig;
  /** Undefined when there is none. */
  kubeconfig: Kubeconfig | undefined;
}

/**
 * Entry of a bundle of its own: read by the app's thread, which has nothing to do while the worker's thread comes up.
 *
 * @returns undefined when anything is wrong with them: the worker reads them once more, and says what
 */
export function readStartFiles(env: NodeJS.ProcessEnv, cwd: string): StartFiles | undefined {
  try {
    const loaded = loadConfig({}, env, cwd);
    return { loaded, kubeconfig: readKubeconfig(kubeconfigPaths(loaded.config.kubeconfig, env)) };
  } catch {
    return undefined;
  }
}
