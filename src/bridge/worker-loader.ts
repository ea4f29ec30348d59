import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { MirrordError, serializeError } from '../errors';
import { loadCached } from './load-cached';
import type { OnReplyPort, WorkerInput } from './messages';
import { publish, State, viewSharedMemory, Word } from './shared-memory';

/**
 * Entry of the thread that holds the session: its real program is most of a second's compiling on a busy machine. Should that
 * not load, the app's thread, which is blocked and sees no events, learns it here.
 */
const { memory, replies } = workerData as WorkerInput;
const { words } = viewSharedMemory(memory);
try {
  loadCached(join(__dirname, 'bridge-worker.cjs'));
} catch (error) {
  if (Atomics.load(words, Word.state) > State.loaded) throw error;
  replies.postMessage({
    type: 'failed',
    failure: { own: serializeError(unloadable(error)) },
    onFailure: undefined,
  } satisfies OnReplyPort);
  publish(words, Word.state, State.failed);
}

function unloadable(error: unknown): MirrordError {
  const why = (error as Error)?.message ?? error;
  return new MirrordError('WORKER_FAILED', `the worker thread could not be loaded: ${why}`, {
    hint: 'The installation is damaged, or this version of Node cannot run it: install the package again.',
  });
}
