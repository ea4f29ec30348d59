import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_AGENT_IMAGE, defaultFeature } from '../../../src/config/defaults';
import { loadConfig } from '../../../src/config/load-config';
import { isMirrordError, type MirrordError } from '../../../src/errors';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-config-'));
  writeFileSync(join(folder, 'package.json'), '{}');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function failure(run: () => unknown): MirrordError {
  try {
    run();
  } catch (error) {
    if (isMirrordError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const fromFile = (content: unknown, env: NodeJS.ProcessEnv = {}) => {
  write('mirrord.json', content);
  return loadConfig({}, env, folder);
};
const target = 'deployment/web';

describe('where settings come from', () => {
  it('prefers options over environment over file over default, key by key', () => {
    const file = {
      target: 'pod/from-file',
      kube_context: 'file',
      agent: { ttl: 7, image: 'file:1', startup_timeout: 9 },
    };
    const env = { MIRRORD_TARGET: 'pod/from-env', MIRRORD_AGENT_IMAGE: 'env:1', MIRRORD_AGENT_STARTUP_TIMEOUT: '8' };
    write('mirrord.json', file);
    const { config, warnings } = loadConfig({ agent: { startupTimeout: 5 }, context: 'options' }, env, folder);
    expect(config.target).toEqual({ kind: 'pod', name: 'from-env', container: undefined });
    expect(config.context).toBe('options');
    expect(config.agent).toMatchObject({ ttl: 7, image: 'env:1', startupTimeout: 5, communicationTimeout: 30 });
    expect(config.sources).toMatchObject({
      target: 'MIRRORD_TARGET',
      'agent.ttl': join(folder, 'mirrord.json'),
      'agent.startup_timeout': 'the options',
    });
    expect(warnings).toEqual([]);
  });

  it('lets MIRRORD_TARGET win over the native name', () => {
    const env = { MIRRORD_IMPERSONATED_TARGET: 'pod/native', MIRRORD_TARGET: 'pod/own' };
    expect(loadConfig({}, env, folder).config.target).toMatchObject({ name: 'own' });
    expect(loadConfig({}, { ...env, MIRRORD_TARGET: '' }, folder).config.target).toMatchObject({ name: 'native' });
  });

  it('finds .mirrord/mirrord.json before mirrord.json, upwards to the nearest package.json and no further', () => {
    const inner = join(folder, 'packages', 'api', 'src');
    mkdirSync(inner, { recursive: true });
    write('mirrord.json', { target: 'pod/plain' });
    expect(loadConfig({}, {}, inner).config.target).toMatchObject({ name: 'plain' });
    write('.mirrord/mirrord.json', { target: 'pod/dotted' });
    expect(loadConfig({}, {}, inner).config.target).toMatchObject({ name: 'dotted' });
    write('packages/api/package.json', {});
    expect(failure(() => loadConfig({}, {}, inner)).code).toBe('TARGET_MISSING');
  });

  it('reads the named file instead of discovering one, by option before MIRRORD_CONFIG_FILE', () => {
    write('mirrord.json', { target: 'pod/found' });
    write('a.yaml', 'target: pod/a\nagent:\n  labels: { team: 7 }\n');
    write('b.json', { target: 'pod/b' });
    const env = { MIRRORD_CONFIG_FILE: 'b.json' };
    expect(loadConfig({}, env, folder).config.target).toMatchObject({ name: 'b' });
    const { config } = loadConfig({ configFile: 'a.yaml' }, env, folder);
    expect(config.target).toMatchObject({ name: 'a' });
    expect(config.agent.labels).toEqual({ team: '7' });
  });

  it('takes back the other half of an exclusive pair that a lower layer gave', () => {
    write('mirrord.json', { target, feature: { env: { include: 'A' } } });
    const { config } = loadConfig({}, { MIRRORD_OVERRIDE_ENV_VARS_EXCLUDE: 'B;C' }, folder);
    expect(config.feature.env).toMatchObject({ include: [], exclude: ['B', 'C'] });
  });

  it('accepts comments and trailing commas, and a byte order mark', () => {
    const { config } = fromFile('\uFEFF{ // shared\n "target": "pod/x", }');
    expect(config.target).toMatchObject({ kind: 'pod', name: 'x' });
  });
});

describe('defaults', () => {
  it('are those of the documentation', () => {
    const { config, warnings } = fromFile({ target });
    expect(warnings).toEqual([]);
    expect(config.agent).toMatchObject({ image: DEFAULT_AGENT_IMAGE, idleTimeout: 60, deadline: 86_400, ttl: 1 });
    expect(config.feature).toEqual({
      env: {
        enabled: true,
        include: [],
        exclude: [],
        override: {},
        unset: [],
        mapping: {},
        envFile: undefined,
      },
      fs: { mode: 'read', readOnly: [], readWrite: [], local: [], notFound: [], mapping: {} },
      network: {
        outgoing: { tcp: true, udp: true, ignoreLocalhost: false, filter: undefined },
        dns: { enabled: true, filter: undefined },
        incoming: defaultFeature().network.incoming,
      },
      hostname: true,
    });
  });

  it('keep no idle agent in continuous integration, unless asked to', () => {
    expect(fromFile({ target }, { CI: 'true' }).config.agent.idleTimeout).toBe(0);
    expect(fromFile({ target }, { CI: 'false' }).config.agent.idleTimeout).toBe(60);
    expect(fromFile({ target, agent: { idle_timeout: 5 } }, { CI: '1' }).config.agent.idleTimeout).toBe(5);
  });

  it('read files on this machine when there is no target, unless the mode is written', () => {
    expect(fromFile({ target: 'targetless' }).config.feature.fs.mode).toBe('localwithoverrides');
    expect(fromFile({ target: 'targetless', feature: { fs: 'read' } }).config.feature.fs.mode).toBe('read');
  });
});

describe('short forms', () => {
  it('switch whole features off', () => {
    const { feature } = fromFile({ target, feature: { env: false, fs: false, network: false } }).config;
    expect(feature.env.enabled).toBe(false);
    expect(feature.fs.mode).toBe('local');
    expect(feature.network.outgoing).toMatchObject({ tcp: false, udp: false });
    expect(feature.network.dns.enabled).toBe(false);
  });

  it('let an image be given as registry and tag, and its log level as directives', () => {
    const agent = { image: { registry: 'r.example/agent', tag: '2' }, log_level: 'mirrord=trace,warn' };
    expect(fromFile({ target, agent }).config.agent).toMatchObject({ image: 'r.example/agent:2', logLevel: 'debug' });
  });

  it('resolve names on the side that the outgoing filter gives their connections', () => {
    const local = ['tcp://db.example:5432', '10.0.0.0/8', '127.0.0.1:80', 'redis'];
    const { network } = fromFile({ target, feature: { network: { outgoing: { filter: { local } } } } }).config.feature;
    expect(network.dns.filter).toEqual({ local: ['db.example', 'redis'] });
  });
});

describe('what is refused', () => {
  const cases: [string, unknown, string, RegExp][] = [
    ['an unknown key', { target, featur: {} }, 'CONFIG_UNKNOWN_KEY', /"featur".*mirrord\.json.*Did you mean "feature"/],
    ['an unknown nested key', { target, agent: { ttll: 1 } }, 'CONFIG_UNKNOWN_KEY', /agent\.ttll.*agent\.ttl"/],
    ['a wrong type', { target, agent: { ttl: 'soon' } }, 'CONFIG_INVALID_VALUE', /agent\.ttl is "soon".*whole number/],
    ['a broken pattern', { target, feature: { fs: { local: ['('] } } }, 'CONFIG_INVALID_VALUE', /fs\.local.*regular/],
    ['a section that is no object', { target, agent: 3 }, 'CONFIG_INVALID_VALUE', /agent is 3.*object/],
    ['an unknown mode', { target, feature: { fs: 'reed' } }, 'CONFIG_INVALID_VALUE', /fs\.mode is "reed".*"read"/],
    [
      'include with exclude',
      { target, feature: { env: { include: 'A', exclude: 'B' } } },
      'CONFIG_INVALID_VALUE',
      /include and feature\.env\.exclude/,
    ],
    ['a template', '{ "target": "{{ get_env(name=1) }}" }', 'CONFIG_TEMPLATE_UNSUPPORTED', /mirrord\.json:1/],
    ['a list for a file', '[]', 'CONFIG_INVALID_VALUE', /must be an object/],
    ['an unsupported kind', { target: 'hovercraft/db' }, 'TARGET_KIND_UNSUPPORTED', /"hovercraft" is not a kind/],
    ['labels that are none', { target: 'label/app' }, 'CONFIG_INVALID_VALUE', /label\/app/],
    ['a label with a space', { target: 'label/app=a b' }, 'CONFIG_INVALID_VALUE', /labels such as/],
    [
      'an odd number of replicas',
      { target: { path: 'pod/a', replicas: 2 } },
      'CONFIG_INVALID_VALUE',
      /target\.replicas/,
    ],
    ['a misspelt kind', { target: 'deplyment/web' }, 'TARGET_KIND_UNSUPPORTED', /Did you mean "deployment"/],
    ['a target without a kind', { target: 'web' }, 'TARGET_KIND_UNSUPPORTED', /Did you mean "deployment\/web"/],
    ['a path of wrong length', { target: 'pod/a/b' }, 'CONFIG_INVALID_VALUE', /target is "pod\/a\/b"/],
    ['a name that is none', { target: 'pod/../secrets' }, 'CONFIG_INVALID_VALUE', /target/],
    ['a name with odd letters', { target: 'pod/A%2f' }, 'CONFIG_INVALID_VALUE', /Kubernetes name/],
  ];
  it.each(cases)('%s', (_, content, code, message) => {
    const error = failure(() => fromFile(content));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toBeTruthy();
  });

  it('a missing target, with the three ways to give one', () => {
    const error = failure(() => loadConfig({}, {}, folder));
    expect(error.code).toBe('TARGET_MISSING');
    expect(error.hint).toMatch(/MIRRORD_TARGET=[\s\S]*mirrord\.json[\s\S]*--target[\s\S]*targetless/);
  });

  it('a file that is named and absent, has broken syntax, or an unknown extension', () => {
    expect(failure(() => loadConfig({ configFile: 'no.json' }, {}, folder)).code).toBe('CONFIG_NOT_FOUND');
    const syntax = failure(() => fromFile('{\n  "target": "pod/x"\n  "agent": {}\n}'));
    expect(syntax).toMatchObject({ code: 'CONFIG_SYNTAX', details: { line: 3, column: 3 } });
    write('bad.yaml', 'a: 1\n b: 2\n');
    expect(failure(() => loadConfig({ configFile: 'bad.yaml' }, {}, folder))).toMatchObject({ code: 'CONFIG_SYNTAX' });
    write('c.toml', '');
    expect(failure(() => loadConfig({ configFile: 'c.toml' }, {}, folder)).message).toMatch(
      /\.toml.*extension|extension/,
    );
  });

  it('an environment variable of the wrong type, by its name', () => {
    const error = failure(() => loadConfig({}, { MIRRORD_TARGET: 'pod/x', MIRRORD_AGENT_TTL: '1s' }, folder));
    expect(error.message).toMatch(/agent\.ttl is "1s" in MIRRORD_AGENT_TTL/);
  });

  it('never repeats values of overridden variables', () => {
    const error = failure(() => fromFile({ target, feature: { env: { override: { KEY: ['s3cret'] } } } }));
    expect(error.message).not.toContain('s3cret');
  });

  it('numbers one above and one below their range, and not the bounds themselves', () => {
    const ttl = (value: number) => () => fromFile({ target, agent: { ttl: value } });
    expect(ttl(0)().config.agent.ttl).toBe(0);
    expect(ttl(65_535)().config.agent.ttl).toBe(65_535);
    expect(failure(ttl(-1)).code).toBe('CONFIG_INVALID_VALUE');
    expect(failure(ttl(65_536)).code).toBe('CONFIG_INVALID_VALUE');
    expect(failure(ttl(1.5)).code).toBe('CONFIG_INVALID_VALUE');
  });
});

describe('what is accepted with a warning', () => {
  it.each([
    [
      { feature: { network: { incoming: { tls_delivery: {} } } } },
      /feature\.network\.incoming\.tls_delivery .*operator/,
    ],
    [{ feature: { fs: 'write' } }, /feature\.fs\.mode .*writes files only on this machine/],
    [{ feature: { copy_target: true } }, /copy_target .*operator/],
    [{ agent: { node_selector: { a: 'b' } } }, /node_selector has no effect/],
  ])('%j', (content, text) => {
    const { warnings } = fromFile({ target, ...content });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(text);
  });

  /** What each of these keys does there is done, or not done, by every agent here: only the opposite is worth a word. */
  it.each([
    ['exclude_from_mesh', true, false, /loopback address/],
    ['inject_headers', true, false, /byte for byte/],
    ['override_cache_control', true, false, /byte for byte/],
    ['external_ip_fix', false, true, /the very address/],
    ['clean_iptables_on_start', false, true, /always removed/],
    ['jaq_time_limit', 500, undefined, /not jq programs/],
  ])('agent.%s: %s, in one warning that names the key and why it changes nothing', (key, idle, done, why) => {
    const warningsOf = (value: unknown) => fromFile({ target, agent: { [key]: value } }).warnings;
    expect(warningsOf(idle)).toEqual([expect.stringMatching(new RegExp(`^agent\\.${key} \\(.*\\) has no effect: `))]);
    expect(warningsOf(idle)[0]).toMatch(why);
    expect(warningsOf(done)).toEqual([]);
    if (done !== undefined) expect(failure(() => warningsOf('x')).code).toBe('CONFIG_INVALID_VALUE');
  });

  it.each([
    ['MIRRORD_AGENT_EXTERNAL_IP_FIX', 'false'],
    ['MIRRORD_AGENT_EXCLUDE_FROM_MESH', 'true'],
    ['MIRRORD_AGENT_CLEAN_IPTABLES_ON_START', 'false'],
  ])('%s=%s as the key does', (name, value) => {
    expect(fromFile({ target }, { [name]: value }).warnings).toEqual([expect.stringContaining(name)]);
  });

  it('says nothing when incoming traffic is switched off', () => {
    expect(fromFile({ target, feature: { network: { incoming: false } } }).warnings).toEqual([]);
  });

  it('points at misspelt environment variables', () => {
    const { warnings } = fromFile(
      { target },
      { MIRRORD_AGENT_IMGE: 'x', MIRRORD_SESSION: 'y', MIRRORD_AGENT_TTL: '2' },
    );
    expect(warnings).toEqual([
      'Environment variable MIRRORD_AGENT_IMGE is not known. Did you mean MIRRORD_AGENT_IMAGE?',
    ]);
  });
});

describe('targets', () => {
  it.each([
    ['pod/a-1', { kind: 'pod', name: 'a-1', container: undefined }],
    ['deploy/web', { kind: 'deployment', name: 'web', container: undefined }],
    ['deployment/web/container/app', { kind: 'deployment', name: 'web', container: 'app' }],
    [
      { deployment: 'web', container: 'app' },
      { kind: 'deployment', name: 'web', container: 'app' },
    ],
    [
      { path: { pod: 'p' }, namespace: 'n' },
      { kind: 'pod', name: 'p', container: undefined },
    ],
    ['targetless', { kind: 'targetless' }],
    ['rs/a', { kind: 'replicaset', name: 'a', container: undefined }],
    ['statefulset/db/container/pg', { kind: 'statefulset', name: 'db', container: 'pg' }],
    ['ds/a', { kind: 'daemonset', name: 'a', container: undefined }],
    ['job/a', { kind: 'job', name: 'a', container: undefined }],
    ['cronjob/a', { kind: 'cronjob', name: 'a', container: undefined }],
    ['svc/a', { kind: 'service', name: 'a', container: undefined }],
    ['rollout/a', { kind: 'rollout', name: 'a', container: undefined }],
    ['label/app=web, tier=front', { kind: 'label', name: 'app=web,tier=front', container: undefined }],
    [
      'label/app.kubernetes.io/name=web/container/app',
      { kind: 'label', name: 'app.kubernetes.io/name=web', container: 'app' },
    ],
    [{ stateful_set: 'db' }, { kind: 'statefulset', name: 'db', container: undefined }],
    [
      { cron_job: 'a', container: 'c' },
      { kind: 'cronjob', name: 'a', container: 'c' },
    ],
    [{ labels: { app: 'web', tier: 'front' } }, { kind: 'label', name: 'app=web,tier=front', container: undefined }],
  ])('%j is understood', (given, expected) => {
    expect(fromFile({ target: given }).config.target).toEqual(expected);
  });

  it('can be watched by the metrics of their agents', () => {
    const { config, warnings } = fromFile({ target, agent: { metrics: '0.0.0.0:9000', flush_connections: true } });
    expect([config.agent.metrics, warnings]).toEqual(['0.0.0.0:9000', []]);
    expect(() => fromFile({ target, agent: { metrics: ':9000' } })).toThrow(/agent\.metrics/);
  });

  it('are one pod unless all replicas are asked for', () => {
    expect(fromFile({ target: 'pod/x' }).config.replicas).toBe('one');
    expect(fromFile({ target: { deployment: 'web', replicas: 'all' } }).config.replicas).toBe('all');
    expect(fromFile({ target }, { MIRRORD_TARGET_REPLICAS: 'all' }).config.replicas).toBe('all');
    expect(fromFile({ target: { deployment: 'web', replicas: 'all' } }).warnings).toEqual([]);
    expect(fromFile({ target: { path: 'pod/web-1', replicas: 'all' } }).warnings).toEqual([
      'target.replicas has no effect here: a pod that is named is one pod.',
    ]);
  });

  it('take their namespace from the target, the shortcut or the environment', () => {
    expect(fromFile({ target: { path: 'pod/x', namespace: 'a' } }).config.namespace).toBe('a');
    expect(loadConfig({ namespace: 'b' }, {}, folder).config.namespace).toBe('b');
    expect(fromFile({ target }, { MIRRORD_TARGET_NAMESPACE: 'c' }).config.namespace).toBe('c');
  });
});
