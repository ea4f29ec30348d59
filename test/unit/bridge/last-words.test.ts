import { expect, it } from 'vitest';
import { deliverLastWords } from '../../../src/bridge/last-words';

it('an exit waits for what has left its streams and not the process', async () => {
  let unsent = 300_000;
  let told = 0;
  const sending = setInterval(() => {
    unsent = Math.max(0, unsent - 100_000);
  }, 50);
  const onProgress = () => {
    told += 1;
  };
  const limits = { limitMs: 5_000, stallMs: 1_000, unsent: () => unsent, onProgress };
  const outcome = await deliverLastWords(new Set(), new Map(), limits);
  clearInterval(sending);
  expect({ outcome, unsent }).toEqual({ outcome: 'after a while', unsent: 0 });
  expect(told).toBeGreaterThan(1);
});

it('an exit gives up what nobody takes', async () => {
  const limits = { limitMs: 5_000, stallMs: 200, unsent: () => 1 };
  expect(await deliverLastWords(new Set(), new Map(), limits)).toBe('given up');
});
