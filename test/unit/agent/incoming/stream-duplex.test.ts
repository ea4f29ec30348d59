import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { StreamDuplex } from '../../../../src/agent/incoming/stream-duplex';
import type { MuxStream } from '../../../../src/protocol/session-types';

it('a client that resets before anybody has taken its stream throws nothing', async () => {
  const stream = { reset: () => {}, end: () => {}, write: () => true, consumed: () => {} } as unknown as MuxStream;
  const duplex = new StreamDuplex(stream);
  const uncaught: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', (error) => uncaught.push(error));
  try {
    stream.onReset({ code: 'ECONNRESET' });
    await turn();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  }
  expect(duplex.destroyed).toBe(true);
  expect(uncaught).toEqual([]);
});
