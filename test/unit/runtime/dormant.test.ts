import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ProcessFacts, whyDormant } from '../../../src/runtime/dormant';

const facts = (given: Partial<ProcessFacts> = {}): ProcessFacts => ({
  ...{ env: {}, script: '/app/server.js', isMainThread: true, isInternalThread: false, isActive: false },
  isToolThread: false,
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

  it('stays out of tools', () => {
    expect(whyDormant(facts({ script: join(dirname(process.execPath), 'npm') }))).toBe('tool');
  });

  it('stays out of the threads of a tool, although there is a session for what it starts', () => {
    const thread = { isMainThread: false, env: { MIRRORD_SESSION: 'x' } };
    expect(whyDormant(facts({ ...thread, isToolThread: true }))).toBe('tool');
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
