import { isMainThread } from 'node:worker_threads';
import { StartFailure } from '../bridge/await-start';
import { Bridge } from '../bridge/bridge';
import type { StartInput } from '../bridge/messages';
import { formatError, MirrordError } from '../errors';
import { writeSync } from '../patches/originals';
import { setActiveSession } from './active-session';
import type { BundlePaths } from './bundle-paths';
import { closeOnExit } from './close-on-exit';
import { environmentChange } from './env-file';
import { applyChange, NO_CHANGE } from './environment';
import { createChildAccess, inheritedVariables } from './inherit';
import { installRuntime } from './runtime';

const STDERR = 2;

/**
 * Starts or joins the session of this process, with the thread blocked until it is up. When it returns, the environment is
 * the pod's and the patches are in.
 *
 * When that fails, the process ends with exit code 1 before the app's first line, or goes on without us where
 * `MIRRORD_ON_FAILURE` says `continue`; a worker thread throws.
 */
export function preload(paths: BundlePaths): void {
  try {
    activate(paths);
  } catch (error) {
    const { reason, onFailure } = describeFailure(error);
    setActiveSession(undefined);
    if (!isMainThread) throw reason;
    say(formatError(reason));
    if (onFailure !== 'continue') process.exit(1);
  }
}

function activate(paths: BundlePaths): void {
  if (process.env.MIRRORD_LAYER_INTPROXY_ADDR) throw nativeLayer();
  setActiveSession('starting');
  const start = startInput(process.env);
  const bridge = new Bridge({
    workerPath: paths.worker,
    start,
    env: process.env,
    onEnded: (reason) => say(formatError(reason)),
  });
  const ready = bridge.startSync();
  const undos: (() => void)[] = [];
  try {
    const change = start.role === 'owner' ? environmentChange(ready, start.cwd) : NO_CHANGE;
    undos.push(applyChange(change, process.env));
    const children = createChildAccess(ready.session, paths.register);
    undos.push(applyChange({ set: inheritedVariables(children.inherit(process.env)), unset: [] }, process.env));
    installRuntime(bridge, ready, paths.register);
    closeOnExit(bridge);
    setActiveSession({ origin: 'preload', ready, env: change.set });
  } catch (error) {
    for (const undo of undos.reverse()) undo();
    bridge.closeSync(1_000);
    throw error;
  }
}

function startInput(env: NodeJS.ProcessEnv): StartInput {
  const cwd = process.cwd();
  const progress = env.MIRRORD_PROGRESS === 'off' ? 'off' : 'lines';
  const session = env.MIRRORD_SESSION;
  return session
    ? { role: 'attached', session, cwd, progress }
    : { role: 'owner', overrides: {}, terminal: true, cwd, progress };
}

function describeFailure(error: unknown): { reason: unknown; onFailure: string | undefined } {
  const known = error instanceof StartFailure ? error.onFailure : undefined;
  return {
    reason: error instanceof StartFailure ? error.cause : error,
    // The configuration may be what failed: then the variable is all there is.
    onFailure: known ?? process.env.MIRRORD_ON_FAILURE,
  };
}

function nativeLayer(): MirrordError {
  return new MirrordError('NATIVE_LAYER_ACTIVE', 'this process already runs under the native mirrord', {
    hint: 'Start it with one of the two: without "mirrord exec" of the native tool, or without mirrord/register.',
  });
}

function say(message: string): void {
  try {
    writeSync(STDERR, `${message}\n`);
  } catch {
    // A closed stderr must not turn one failure into another.
  }
}
