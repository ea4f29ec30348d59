import type { EnvConfig } from '../config/types';

/** Never taken from the pod, whatever the configuration includes: they would break the process or its children here. */
const NEVER = [
  'PATH',
  'HOME',
  'HOMEPATH',
  'PWD',
  'OLDPWD',
  'SHELL',
  'SHLVL',
  'TMPDIR',
  'TMP',
  'TEMP',
  'LD_*',
  'DYLD_*',
  'NODE_OPTIONS',
  'NODE_PATH',
  'NODE_CHANNEL_*',
  'NODE_UNIQUE_ID',
  'NODE_V8_COVERAGE',
  'NODE_COMPILE_CACHE',
  'MIRRORD_*',
  'KUBECONFIG',
];

/** Belong to the tools of this machine; taken from the pod only where `include` names them in full. */
const UNLESS_NAMED = [
  'NODE_ENV',
  'NODE_VERSION',
  'NODE_EXTRA_CA_CERTS',
  'NODE_REPL_HISTORY',
  'NODE_PENDING_*',
  'NODE_TEST_CONTEXT',
  'NPM_*',
  'npm_*',
  'YARN_*',
  'PNPM_HOME',
  'COREPACK_*',
  'NVM_*',
  'NX_*',
  'NEXT_RUNTIME',
  'TURBO_*',
  'VITE_*',
  'JEST_*',
  'VITEST',
  'VITEST_*',
  'INIT_CWD',
  'GOPATH',
  'GOMODCACHE',
  'GEM_HOME',
  'GEM_PATH',
  'RUBYLIB',
  'RUBYOPT',
  'BUNDLER_*',
  'BUNDLE_*',
  'PYTHONPATH',
  'JAVA_HOME',
  'JAVA_EXE',
  'JAVA_TOOL_OPTIONS',
  '_JAVA_OPTIONS',
  'CLASSPATH',
  'CATALINA_HOME',
  'DOTNET_STARTUP_HOOKS',
  'DOTNET_EnableDiagnostics',
  'RUST_LOG',
];

export interface EnvironmentChange {
  set: Record<string, string>;
  /** Names to remove, in any case. */
  unset: string[];
}

/** For a process that has inherited the variables. */
export const NO_CHANGE: EnvironmentChange = { set: {}, unset: [] };

/**
 * What the session changes in the environment: the pod's variables without those that belong to this machine, then the
 * `env_file`, then `mapping`, then `override`, then `unset`.
 *
 * @param podEnv what the agent gave, after `include` and `exclude`
 * @param fileEnv contents of `env_file`
 */
export function changeOf(
  podEnv: Record<string, string>,
  config: EnvConfig,
  fileEnv: Record<string, string> = {},
): EnvironmentChange {
  if (!config.enabled) return { set: {}, unset: [] };
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(podEnv)) if (isTaken(name, config.include)) set[name] = value;
  Object.assign(set, fileEnv);
  const mapping = Object.entries(config.mapping).map(([pattern, value]) => ({ pattern: new RegExp(pattern), value }));
  for (const name of Object.keys(set)) {
    const mapped = mapping.find(({ pattern }) => pattern.test(name));
    if (mapped) set[name] = mapped.value;
  }
  Object.assign(set, config.override);
  const removed = new Set(config.unset.map((name) => name.toUpperCase()));
  for (const name of Object.keys(set)) if (removed.has(name.toUpperCase())) delete set[name];
  return { set, unset: config.unset };
}

const never = compile(NEVER);
const unlessNamed = compile(UNLESS_NAMED);

function isTaken(name: string, include: string[]): boolean {
  // Windows knows no case here, and a pod's `Path` is nothing an app needs anywhere.
  if (never.test(name)) return false;
  return include.includes(name) || !unlessNamed.test(name);
}

function compile(patterns: string[]): RegExp {
  return new RegExp(`^(?:${patterns.map((pattern) => pattern.replaceAll('*', '.*')).join('|')})$`, 'i');
}

/** Applies the change to an environment. The answer puts every variable back that still is as it was left. */
export function applyChange({ set, unset }: EnvironmentChange, env: NodeJS.ProcessEnv): () => void {
  const before = new Map<string, string | undefined>();
  const change = (name: string, value: string | undefined) => {
    if (!before.has(name)) before.set(name, env[name]);
    if (value === undefined) delete env[name];
    else env[name] = value;
  };
  const removed = new Set(unset.map((name) => name.toUpperCase()));
  for (const name of Object.keys(env)) if (removed.has(name.toUpperCase())) change(name, undefined);
  for (const [name, value] of Object.entries(set)) change(name, value);
  const after = new Map([...before.keys()].map((name) => [name, env[name]]));
  return () => {
    for (const [name, value] of before) {
      if (env[name] !== after.get(name)) continue;
      if (value === undefined) delete env[name];
      else env[name] = value;
    }
  };
}
