/**
 * Preload entry. It has to be cheap where it does nothing (a package manager, a loader thread): everything but the decision and
 * the start of the worker, which is what takes longest, is in a bundle of its own, which is loaded once it is needed. CommonJS,
 * as a preload must be finished before the app's first line.
 */
import events from 'node:events';
import { join } from 'node:path';
import { getEnvironmentData, isMainThread, setEnvironmentData, workerData } from 'node:worker_threads';
import { beginStart } from './runtime/begin-start';
import { bundlePaths } from './runtime/bundle-paths';
import { whyDormant } from './runtime/dormant';
import { withPreload } from './runtime/inherit';
import { isInternalThread } from './runtime/internal-thread';

/** Told by the main thread of a tool to its threads: they cannot see what runs there. */
const TOOL = 'mirrord.tool';

const reason = whyDormant({
  env: process.env,
  script: process.argv[1],
  isMainThread,
  isInternalThread: isInternalThread(isMainThread, workerData),
  isActive: (events as unknown as Record<symbol, unknown>)[Symbol.for('mirrord.session')] !== undefined,
  isToolThread: !isMainThread && getEnvironmentData(TOOL) === true,
});

if (reason === undefined) {
  const paths = bundlePaths(__dirname);
  const begun = beginStart(paths, process.env);
  const { preload } = require(join(__dirname, 'preload.cjs')) as typeof import('./runtime/preload');
  preload(paths, begun);
} else if (reason === 'tool') {
  setEnvironmentData(TOOL, true);
  // Itself it stays as it is; the programs it starts find the preload in the environment.
  // Turborepo keeps all variables from its tasks that are not named in turbo.json: ours, and those of the pod.
  process.env.TURBO_ENV_MODE ??= 'loose';
  process.env.NODE_OPTIONS = withPreload(process.env.NODE_OPTIONS, bundlePaths(__dirname).register);
}
