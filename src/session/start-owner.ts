import { StartFailure } from '../bridge/await-start';
import { Bridge } from '../bridge/bridge';
import type { ConfigOverrides } from '../config/types';
import type { ChosenTarget, Progress } from '../kube/types';
import { type BundlePaths, bundlePaths } from '../runtime/bundle-paths';
import { environmentChange } from '../runtime/env-file';
import { createChildAccess } from '../runtime/inherit';
import { ownFolder } from './own-folder';

export interface Owner {
  /** Variables for the program that is started: the pod's, and what makes it join. They go on top of this process's own. */
  env: Record<string, string>;
  /** Variables it must not have. */
  unset: string[];
  target: ChosenTarget | undefined;
  /** Ends the session and stops the control socket. */
  close(): Promise<void>;
}

export interface OwnerOptions {
  progress?: Progress;
  /** Credential plug-ins may read from the terminal during the start. */
  terminal?: boolean;
  /** Gives the start up, and leaves nothing behind. */
  signal?: AbortSignal;
  /** Where the bundles are; for tests. */
  paths?: BundlePaths;
}

/**
 * Starts a session for programs this process starts, and changes nothing in this process itself.
 *
 * @throws MirrordError as startSession does
 */
export async function startOwner(overrides: ConfigOverrides = {}, options: OwnerOptions = {}): Promise<Owner> {
  const { progress, terminal, signal, paths = bundlePaths(ownFolder()) } = options;
  const cwd = process.cwd();
  const bridge = new Bridge({
    workerPath: paths.worker,
    start: {
      role: 'owner',
      overrides,
      expectsChildren: true,
      terminal,
      cwd,
      progress: progress ? 'events' : 'warnings',
    },
    env: process.env,
    onProgress: progress,
  });
  try {
    const ready = await bridge.start(signal);
    const { set, unset } = environmentChange(ready, cwd);
    const { NODE_OPTIONS, MIRRORD_SESSION } = createChildAccess(ready.session, paths.register).inherit({
      ...process.env,
      ...set,
    });
    return {
      env: { ...set, NODE_OPTIONS: NODE_OPTIONS!, MIRRORD_SESSION: MIRRORD_SESSION! },
      unset,
      target: ready.target,
      close: () => bridge.close(),
    };
  } catch (error) {
    await bridge.close();
    throw error instanceof StartFailure ? error.cause : error;
  }
}
