import type { StartInput } from '../bridge/messages';
import { type SpawnedWorker, spawnWorker } from '../bridge/spawn-worker';
import type { BundlePaths } from './bundle-paths';

export interface BegunStart {
  start: StartInput;
  /** Undefined when it could not be started, because of `failure`. */
  spawned: SpawnedWorker | undefined;
  failure: unknown;
}

/** Starts the worker, so that its thread comes up while this one loads the rest of the preload. Never throws. */
export function beginStart(paths: BundlePaths, env: NodeJS.ProcessEnv): BegunStart {
  const cwd = process.cwd();
  const progress = env.MIRRORD_PROGRESS === 'off' ? 'off' : 'lines';
  const session = env.MIRRORD_SESSION;
  const start: StartInput = session
    ? { role: 'attached', session, cwd, progress }
    : { role: 'owner', overrides: {}, terminal: true, sendsFiles: true, cwd, progress };
  try {
    // Under the native layer nothing is started: the preload says why.
    const spawned = env.MIRRORD_LAYER_INTPROXY_ADDR ? undefined : spawnWorker(paths.worker, start, env);
    return { start, spawned, failure: undefined };
  } catch (failure) {
    return { start, spawned: undefined, failure };
  }
}
