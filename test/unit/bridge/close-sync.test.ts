import type { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { Bridge } from '../../../src/bridge/bridge';
import { createSharedMemory, publish, State, Word } from '../../../src/bridge/shared-memory';

/** A worker that acts on a message before the thread that posts it has gone on, as one on another processor may. */
function bridgeWith(onPost: (words: Int32Array) => void): Bridge {
  const memory = createSharedMemory();
  const { port1 } = new MessageChannel();
  const worker = { on() {}, unref() {}, postMessage: () => onPost(memory.words) } as unknown as Worker;
  return new Bridge({
    workerPath: '',
    start: { role: 'owner', overrides: {}, cwd: '/', progress: 'off' },
    env: {},
    spawned: { worker, memory, replies: port1 as never },
  });
}

function timeOfClose(bridge: Bridge, limitMs: number): number {
  const begun = performance.now();
  bridge.closeSync(limitMs);
  return performance.now() - begun;
}

it('an exit waits for a delivery whose first step is counted before this thread looks again', () => {
  const bridge = bridgeWith((words) => void Atomics.add(words, Word.lastWords, 1));
  expect(timeOfClose(bridge, 50)).toBeGreaterThan(1_000);
});

it('an exit waits for no more than its limit where nothing is delivered, and not at all when all is said', () => {
  const silent = timeOfClose(
    bridgeWith(() => {}),
    200,
  );
  expect(silent).toBeGreaterThan(150);
  expect(silent).toBeLessThan(1_500);
  const closed = timeOfClose(
    bridgeWith((words) => publish(words, Word.state, State.closed)),
    10_000,
  );
  expect(closed).toBeLessThan(1_500);
});
