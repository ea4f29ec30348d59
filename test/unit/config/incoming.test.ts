import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load-config';
import { isMirrordError } from '../../../src/errors';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(
  incoming: unknown,
  { env = {}, target = 'deployment/web' }: { env?: NodeJS.ProcessEnv; target?: string } = {},
) {
  writeFileSync(join(folder, 'package.json'), '{}');
  writeFileSync(join(folder, 'mirrord.json'), JSON.stringify({ target, feature: { network: { incoming } } }));
  const { config, warnings } = loadConfig({}, env, folder);
  return { ...config.feature.network.incoming, warnings };
}

function refusal(...args: Parameters<typeof load>): { code: string; message: string } {
  try {
    load(...args);
  } catch (error) {
    if (isMirrordError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('incoming traffic', () => {
  it('is mirrored by default, and off without a target', () => {
    expect(load(undefined)).toMatchObject({ mode: 'mirror', warnings: [] });
    expect(load(undefined, { target: 'targetless' })).toMatchObject({ mode: 'off', warnings: [] });
    expect(load('mirror', { target: 'targetless' }).warnings).toHaveLength(1);
  });

  it.each([
    [true, 'mirror'],
    [false, 'off'],
    ['steal', 'steal'],
    [{ mode: 'Steal' }, 'steal'],
  ])('takes the mode from %j', (given, mode) => {
    expect(load(given).mode).toBe(mode);
  });

  it('takes it from the native variables', () => {
    const env = {
      MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true',
      MIRRORD_HTTP_HEADER_FILTER: 'x-dev: me',
      MIRRORD_HTTP_FILTER_PORTS: '80,8080',
    };
    expect(load(undefined, { env })).toMatchObject({
      mode: 'steal',
      httpFilter: { header: 'x-dev: me' },
      httpFilterPorts: [80, 8080],
      warnings: [],
    });
  });

  it.each([
    [{ header_filter: '(?i)x-dev: me' }, { header: 'x-dev: me' }],
    [{ path_filter: '^/api' }, { path: '^/api' }],
    [{ method_filter: 'GET' }, { method: 'GET' }],
    [{ body_filter: { body: 'json', query: '$.id', matches: '^1' } }, { body: { query: '$.id', matches: '^1' } }],
    [
      { all_of: [{ header: 'a' }, { path: 'b' }, { method: 'PUT' }, { body: 'json', query: '$', matches: 'c' }] },
      { allOf: [{ header: 'a' }, { path: 'b' }, { method: 'PUT' }, { body: { query: '$', matches: 'c' } }] },
    ],
    [{ any_of: [{ header: 'a' }] }, { anyOf: [{ header: 'a' }] }],
  ])('gives the agent the filter %j', (given, filter) => {
    expect(load({ mode: 'steal', http_filter: given }).httpFilter).toEqual(filter);
  });

  it('lets a filter of the environment take the place of another one of the file', () => {
    const env = { MIRRORD_HTTP_PATH_FILTER: '/mine' };
    expect(load({ http_filter: { header_filter: 'a' } }, { env }).httpFilter).toEqual({ path: '/mine' });
  });

  it('takes port mappings and lists, from the lowest to the highest port', () => {
    const given = { port_mapping: [[1, 65_535]], listen_ports: [[80, 8080]], ignore_ports: [1, 65_535] };
    expect(load(given)).toMatchObject({
      portMapping: [[1, 65_535]],
      listenPorts: [[80, 8080]],
      ignorePorts: [1, 65_535],
    });
  });

  it('keeps the defaults of the native tool, but for connections that stand', () => {
    expect(load(undefined)).toMatchObject({
      onConcurrentSteal: 'abort',
      flush: false,
      keepProbes: true,
      fallback: undefined,
    });
    expect(load({ fallback: 'pod' }).fallback).toBe('pod');
    expect(load({ fallback: 'none' }).fallback).toBeUndefined();
  });
});

describe('incoming traffic is refused with key, value and rule', () => {
  const section = 'feature.network.incoming';
  it.each([
    [{ http_filter: { header_filter: '(' } }, `${section}.http_filter.header_filter`, '"("', 'regular expression'],
    [{ http_filter: { path_filter: '' } }, `${section}.http_filter.path_filter`, '""', 'not empty'],
    [{ http_filter: {} }, `${section}.http_filter`, '{}', 'not an empty one'],
    [{ http_filter: { all_of: [] } }, `${section}.http_filter.all_of`, '[]', 'not empty'],
    [{ http_filter: { any_of: [{ header: '[' }] } }, `${section}.http_filter.any_of`, '[{"header":"["}]', 'regular'],
    [{ http_filter: { any_of: [{ header: 'a', path: 'b' }] } }, 'any_of', '"path":"b"', 'a list'],
    [{ http_filter: { method_filter: 'GET POST' } }, 'method_filter', '"GET POST"', 'HTTP method'],
    [{ http_filter: { body_filter: { body: 'json', query: 'id', matches: 'a' } } }, 'body_filter', '"id"', 'JSON path'],
    [{ http_filter: { header_filter_jq: '.a' } }, 'header_filter_jq', '".a"', 'not supported'],
    [{ http_filter: { header_filter: 'a', method_filter: 'GET' } }, 'method_filter', '"GET"', 'exclude each other'],
    [{ http_filter: { ports: [80] } }, 'http_filter.ports', '[80]', 'no filter'],
    [{ ports: [0] }, `${section}.ports`, '[0]', 'from 1 to 65535'],
    [{ ports: [65_536] }, `${section}.ports`, '[65536]', 'from 1 to 65535'],
    [
      {
        port_mapping: [
          [3000, 80],
          [3001, 80],
        ],
      },
      'port_mapping',
      '[[3000,80],[3001,80]]',
      'twice',
    ],
    [{ listen_ports: [[80]] }, 'listen_ports', '[[80]]', 'pairs'],
    [{ ports: [80], ignore_ports: [81] }, `${section}.ports`, 'ignore_ports', 'both given'],
    [{ mode: 'take' }, `${section}.mode`, '"take"', '"steal"'],
  ])('%j', (given, key, value, rule) => {
    const { code, message } = refusal(given);
    expect(code).toBe('CONFIG_INVALID_VALUE');
    for (const part of [key, value, rule]) expect(message).toContain(part);
  });

  it('when it is to be stolen without a target', () => {
    const { code, message } = refusal('steal', { target: 'targetless' });
    expect(code).toBe('CONFIG_INVALID_VALUE');
    for (const part of [`${section}.mode`, '"steal"', 'targetless']) expect(message).toContain(part);
  });
});
