import { defineConfig } from 'vitest/config';

const shared = {
  pool: 'forks' as const,
  testTimeout: 20_000,
  hookTimeout: 60_000,
  // Timers and processes are real here; a test that leaves something running should fail loudly.
  teardownTimeout: 10_000,
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: [
            'test/unit/**/*.test.ts',
            'test/protocol/**/*.test.ts',
            'test/compliance/**/*.test.ts',
            'test/*.test.ts',
          ],
        },
      },
      {
        test: {
          ...shared,
          name: 'cluster',
          include: ['test/{e2e,packages}/**/*.test.ts'],
          globalSetup: ['test/support/cluster-setup.ts'],
        },
      },
      { test: { ...shared, name: 'playground', include: ['test/playground/**/*.test.ts'] } },
    ],
  },
});
