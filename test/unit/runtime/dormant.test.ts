import { describe, expect, it } from 'vitest';
import { type ProcessFacts, whyDormant } from '../../../src/runtime/dormant';

const facts = (given: Partial<ProcessFacts> = {}): ProcessFacts => ({
  ...{ env: {}, script: '/app/server.js', isMainThread: true, isInternalThread: false, isActive: false },
  ...given,
});

describe('the preload', () => {
  it('works in an app, with and without a script', () => {
    expect(whyDormant(facts())).toBeUndefined();
    expect(whyDormant(facts({ script: undefined }))).toBeUndefined();
  });

  it.each(['1', 'true', 'yes'])('is off with MIRRORD_DISABLE=%s', (MIRRORD_DISABLE) => {
    expect(whyDormant(facts({ env: { MIRRORD_DISABLE } }))).toBe('disabled');
  });

  it.each(['0', 'false', ''])('is not off with MIRRORD_DISABLE=%j', (MIRRORD_DISABLE) => {
    expect(whyDormant(facts({ env: { MIRRORD_DISABLE } }))).toBeUndefined();
  });

  it.each([
    '/usr/lib/node_modules/npm/bin/npm-cli.js',
    '/usr/lib/node_modules/npm/bin/npx-cli.js',
    'C:\\Program Files\\nodejs\\node_modules\\npm\\bin\\npm-cli.js',
    '/p/.yarn/releases/yarn-4.5.0.cjs',
    '/usr/bin/yarn',
    '/x/pnpm.cjs',
    '/x/corepack.js',
    '/p/node_modules/.bin/tsc',
    '/p/node_modules/nx/bin/nx.js',
    '/p/node_modules/.bin/turbo',
  ])('stays out of %s', (script) => {
    expect(whyDormant(facts({ script }))).toBe('tool');
  });

  it.each([
    '/app/npm.service.js',
    '/app/next',
    '/app/nodemon.js',
    '/npm/server.js',
    '/app/tsc-worker.js',
    '/x/yarn-app/index.js',
  ])('works in %s', (script) => {
    expect(whyDormant(facts({ script }))).toBeUndefined();
  });

  it('leaves Node’s own threads alone, and those of an app without a session', () => {
    expect(whyDormant(facts({ isMainThread: false, isInternalThread: true }))).toBe('internal-thread');
    expect(whyDormant(facts({ isMainThread: false }))).toBe('thread-without-session');
    expect(whyDormant(facts({ isMainThread: false, env: { MIRRORD_SESSION: 'x' } }))).toBeUndefined();
  });

  it('does nothing twice', () => {
    expect(whyDormant(facts({ isActive: true }))).toBe('active');
  });
});
