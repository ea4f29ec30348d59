import { describe, expect, it } from 'vitest';
import type { EnvConfig } from '../../../src/config/types';
import { applyChange, changeOf } from '../../../src/runtime/environment';

const config = (given: Partial<EnvConfig> = {}): EnvConfig => ({
  ...{ enabled: true, include: [], exclude: [], override: {}, unset: [], mapping: {}, envFile: undefined },
  ...given,
});

describe('variables of the pod', () => {
  it('are taken, with those of the cluster and the pod’s HOSTNAME', () => {
    const pod = { DATABASE_URL: 'x', KUBERNETES_SERVICE_HOST: '10.0.0.1', HOSTNAME: 'pod-1', PATHS: 'kept' };
    expect(changeOf(pod, config()).set).toEqual(pod);
  });

  it.each([
    'PATH',
    'HOME',
    'PWD',
    'TMPDIR',
    'NODE_OPTIONS',
    'NODE_PATH',
    'LD_PRELOAD',
    'MIRRORD_TARGET',
    'MIRRORD_SESSION',
    'NODE_CHANNEL_FD',
    'Path',
  ])('%s is never taken, even if it is included by name', (name) => {
    expect(changeOf({ [name]: 'x' }, config({ include: [name] })).set).toEqual({});
  });

  it.each([
    'NODE_ENV',
    'NODE_VERSION',
    'YARN_VERSION',
    'npm_config_registry',
    'NPM_CONFIG_LOGLEVEL',
    'PNPM_HOME',
    'NX_DAEMON',
    'TURBO_TOKEN',
    'VITE_API',
    'JEST_WORKER_ID',
    'VITEST',
    'NODE_EXTRA_CA_CERTS',
    'JAVA_HOME',
  ])('%s is taken only if it is included by name', (name) => {
    expect(changeOf({ [name]: 'x' }, config()).set).toEqual({});
    expect(changeOf({ [name]: 'x' }, config({ include: ['*'] })).set).toEqual({});
    expect(changeOf({ [name]: 'x' }, config({ include: [name] })).set).toEqual({ [name]: 'x' });
  });

  it('are replaced by the env_file, then by mapping, then by override; unset comes last and knows no case', () => {
    const given = config({
      mapping: { '^URL_': 'mapped', URL: 'second' },
      override: { URL_B: 'override', NODE_ENV: 'staging' },
      unset: ['secret'],
    });
    const change = changeOf({ URL_A: 'pod', URL_B: 'pod', KEEP: 'pod', FILE: 'pod', SECRET: 'pod' }, given, {
      FILE: 'file',
      ADDED: 'file',
      MY_URL: 'file',
    });
    expect(change.set).toEqual({
      URL_A: 'mapped',
      URL_B: 'override',
      KEEP: 'pod',
      FILE: 'file',
      ADDED: 'file',
      MY_URL: 'second',
      NODE_ENV: 'staging',
    });
    expect(change.unset).toEqual(['secret']);
  });

  it('are left alone when the feature is off', () => {
    expect(changeOf({ A: '1' }, config({ enabled: false, override: { B: '2' } }))).toEqual({ set: {}, unset: [] });
  });
});

describe('a change', () => {
  it('is taken back to the variable', () => {
    const env: NodeJS.ProcessEnv = { KEEP: 'k', CHANGED: 'before', Secret: 's' };
    const undo = applyChange({ set: { CHANGED: 'after', NEW: 'n' }, unset: ['SECRET'] }, env);
    expect(env).toEqual({ KEEP: 'k', CHANGED: 'after', NEW: 'n' });
    undo();
    expect(env).toEqual({ KEEP: 'k', CHANGED: 'before', Secret: 's' });
  });

  it('is not taken back where the app has changed the variable since', () => {
    const env: NodeJS.ProcessEnv = { A: 'before' };
    const undo = applyChange({ set: { A: 'pod' }, unset: [] }, env);
    env.A = 'app';
    undo();
    expect(env.A).toBe('app');
  });
});
