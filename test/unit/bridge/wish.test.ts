import { delimiter } from 'node:path';
import { expect, it } from 'vitest';
import { packWish, unpackWish } from '../../../src/bridge/wish';
import { loadConfig, reloadConfig } from '../../../src/config/load-config';

const options = {
  target: { path: 'deployment/web/container/app', namespace: 'shop', replicas: 'all' as const },
  context: 'staging',
  kubeconfig: `a.yaml${delimiter}/b.yaml`,
  agent: {
    startupTimeout: 7,
    nftables: false,
    tolerations: [{ operator: 'Exists' }],
    resources: { limits: { memory: '1Gi' } },
    dns: { timeout: 2 },
    httpDetectionTimeout: 0.5,
  },
  feature: {
    env: { exclude: ['LOG_*'], override: { PASSWORD: 'hunter2' }, mapping: { '^TOKEN$': 'hunter3' } },
    fs: { mode: 'read', local: ['^/data'] },
    network: {
      incoming: { mode: 'steal', port_mapping: [[8080, 80]], http_filter: { path_filter: '^/mine', ports: [80] } },
      outgoing: { filter: { local: ['10.0.0.0/8'] } },
    },
    hostname: false,
  },
};

/** As an app's options, so that every layer but the file is in play. */
const load = (env: NodeJS.ProcessEnv = {}) => loadConfig(options, { MIRRORD_AGENT_GRACE: '9', ...env }, '/');

it('gives the configuration that the owner had, wherever that came from', () => {
  const { config, values } = load();
  const again = reloadConfig(unpackWish(packWish(values, {})!), {});
  const { sources, feature, kubeconfig, ...rest } = config;
  expect(again.config).toMatchObject(rest);
  expect(again.config.feature).toEqual({ ...feature, env: { ...feature.env, override: {}, mapping: {} } });
  expect(again.warnings).toEqual([]);
});

it('holds no value for a variable', () => {
  const text = Buffer.from(packWish(load().values, {})!, 'base64url').toString();
  expect(text).toContain('deployment');
  expect(text).not.toContain('hunter');
});

it.each<[string, NodeJS.ProcessEnv, string]>([
  ['of the configuration', { KUBECONFIG: 'other' }, [`${process.cwd()}/a.yaml`, '/b.yaml'].join(delimiter)],
  ['of KUBECONFIG', { KUBECONFIG: 'c.yaml' }, `${process.cwd()}/c.yaml`],
])('names the kubeconfig %s from any working directory', (_where, env, expected) => {
  const { values } = load();
  const given = new Map(values);
  if (expected.endsWith('c.yaml')) given.delete('kubeconfig');
  expect(unpackWish(packWish(given, env)!).get('kubeconfig')!.value).toBe(expected);
});

it('stays away when it is too long for a variable', () => {
  const withPatterns = (bytes: number) =>
    loadConfig({ target: 'targetless', feature: { fs: { local: 'x'.repeat(bytes) } } }, {}, '/').values;
  expect(packWish(withPatterns(12_000), {})).toHaveLength(
    Buffer.from(JSON.stringify({ 'target.path': 'targetless', 'feature.fs.local': ['x'.repeat(12_000)] })).toString(
      'base64url',
    ).length,
  );
  expect(packWish(withPatterns(12_500), {})).toBeUndefined();
});

it('says that it cannot be read without repeating it', () => {
  expect(() => unpackWish('bm90IGpzb24')).toThrow(expect.objectContaining({ code: 'SESSION_INVALID' }));
  expect(() => unpackWish('bm90IGpzb24')).toThrow(/^(?!.*not json).*$/s);
});
