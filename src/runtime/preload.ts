import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { StartFailure } from '../bridge/await-start';
import { Bridge } from '../bridge/bridge';
import { workerEnv } from '../bridge/spawn-worker';
import type { readStartFiles, StartFiles } from '../bridge/start-files';
import { formatError, MirrordError } from '../errors';
import { writeSync } from '../patches/originals';
import { setActiveSession } from './active-session';
import type { BegunStart } from './begin-start';
import type { BundlePaths } from './bundle-paths';

const STDERR = 2;

/**
 * Starts or joins the session of this process, with the thread blocked until it is up. When it returns, the environment is
 * the pod's and the patches are in.
 *
 * When that fails, the process ends with exit code 1 before the app's first line, or goes on without us where
 * `MIRRORD_ON_FAILURE` says `continue`; a worker thread throws.
 */
export function preload(paths: BundlePaths, begun: BegunStart): void {
  try {
    activate(paths, begun);
  } catch (error) {
    const { reason, onFailure } = describeFailure(error);
    setActiveSession(undefined);
    if (!isMainThread) throw reason;
    say(formatError(reason));
    if (onFailure !== 'continue') process.exit(1);
  }
}

function activate(paths: BundlePaths, { start, spawned, failure }: BegunStart): void {
  const { env } = process;
  if (env.MIRRORD_LAYER_INTPROXY_ADDR) throw nativeLayer();
  if (!spawned) throw failure;
  setActiveSession('starting');
  const bridge = new Bridge({
    workerPath: paths.worker,
    start,
    env,
    spawned,
    onEnded: (reason) => say(formatError(reason)),
  });
  // From here on this thread would only wait for the other one: it does what need not be done after that.
  if (start.role === 'owner') bridge.sendFiles(readFiles(paths, env, start.cwd));
  const { enterPod, rehearse } = require('./enter-pod') as typeof import('./enter-pod');
  rehearse(bridge, paths.register);
  enterPod(bridge, bridge.startSync(), start, paths.register);
}

function readFiles({ startFiles }: BundlePaths, env: NodeJS.ProcessEnv, cwd: string): StartFiles | undefined {
  try {
    const bundle = createRequire(startFiles)(startFiles) as { readStartFiles: typeof readStartFiles };
    return bundle.readStartFiles(workerEnv(env), cwd);
  } catch {
    // It is read by the worker then.
    return undefined;
  }
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
