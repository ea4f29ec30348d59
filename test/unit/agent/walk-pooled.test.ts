import { vi } from 'vitest';

// The same as in walk.test.ts, for a target with a mount that may make us wait: every step goes through the thread pool.
vi.mock('../../../src/agent/files/place-calls', async (load) => {
  const module = await load<typeof import('../../../src/agent/files/place-calls')>();
  return { ...module, placeCalls: () => module.POOLED };
});
await import('./walk.test');
