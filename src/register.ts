/**
 * Preload entry. It has to be cheap where it does nothing (a package manager, a loader thread): everything but the decision
 * is in a bundle of its own, which is loaded once it is needed. CommonJS, as a preload must be finished before the app's first line.
 */
import events from 'node:events';
import { join } from 'node:path';
import { getEnvironmentData, isMainThread, setEnvironmentData, workerData } from 'node:worker_threads';
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
  const { preload } = require(join(__dirname, 'preload.cjs')) as typeof import('./runtime/preload');
  preload(bundlePaths(__dirname));
} else if (reason === 'tool') {
  setEnvironmentData(TOOL, true);
  // Itself it stays as it is; the programs it starts find the preload in the environment.
  process.env.NODE_OPTIONS = withPreload(process.env.NODE_OPTIONS, bundlePaths(__dirname).register);
}
