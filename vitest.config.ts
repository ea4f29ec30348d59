import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Timers and processes are real here; a test that leaves something running should fail loudly.
    teardownTimeout: 10_000,
  },
});
