import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FsConfig } from '../../../src/config/types';
import { isMirrordError } from '../../../src/errors';
import { createFilePolicy, type FilePolicyOptions } from '../../../src/runtime/files';
import { findLocalRoots } from '../../../src/runtime/local-roots';
import type { FileIntent } from '../../../src/runtime/verdict';

function policy(fs: Partial<FsConfig> = {}, rest: Partial<FilePolicyOptions> = {}) {
  return createFilePolicy({
    fs: { mode: 'read', readOnly: [], readWrite: [], local: [], notFound: [], mapping: {}, ...fs },
    volumeMounts: [],
    cwd: '/work-folder/app',
    home: '/root-of/dev',
    tmpdir: '/temporary',
    execPath: '/runtimes/node/bin/node',
    platform: 'linux',
    ...rest,
  });
}

/** `pod`, the reason of a bypass, or the code of a refusal. */
function verdict({ decide }: ReturnType<typeof policy>, path: string, intent: FileIntent = 'read'): string {
  const given = decide(path, intent);
  if (given.kind === 'remote') return 'pod';
  return given.kind === 'bypass' ? given.reason : given.error.code!;
}

describe('without configuration', () => {
  it.each([
    ['/data/report.csv', 'pod'],
    ['/app/config.json', 'pod'],
    ['/var/run/secrets/kubernetes.io/serviceaccount/token', 'pod'],
    ['/etc/hosts', 'pod'],
    ['/etc/hostname', 'pod'],
    ['/etc/resolv.conf', 'pod'],
    ['/etc/ssl/certs/ca.pem', 'pod'],
    ['/etc/ssl/certsx', 'default-local'],
    ['/etc/hosts.allow', 'default-local'],
    ['/etc/passwd', 'default-local'],
    ['/run/secrets/x', 'default-local'],
    ['/', 'default-local'],
    ['/proc/self/status', 'default-local'],
    ['/procs', 'pod'],
    ['/srv/app.js', 'default-local'],
    ['/srv/app.JS', 'default-local'],
    ['/srv/app.mts', 'default-local'],
    ['/srv/app.cjs', 'default-local'],
    ['/srv/view.tsx', 'default-local'],
    ['/srv/addon.node', 'default-local'],
    ['/srv/main.wasm', 'default-local'],
    ['/srv/app.js.map', 'default-local'],
    ['/srv/app.json', 'pod'],
    ['/srv/package.json', 'default-local'],
    ['/package.json', 'default-local'],
    ['/srv/tsconfig.build.json', 'default-local'],
    ['/srv/node_modules/x/data.bin', 'default-local'],
    ['/work-folder/app/data.json', 'default-local'],
    ['/work-folder/app', 'default-local'],
    ['/work-folder/apple', 'pod'],
    ['/work-folder', 'pod'],
    ['/temporary/x', 'default-local'],
    ['/runtimes/node/bin/npm', 'default-local'],
    ['/root-of/dev/.cache/x', 'default-local'],
    ['/root-of/dev/.kube/config', 'ENOENT'],
    ['/root-of/dev/.config/gcloud/x', 'ENOENT'],
    ['/root-of/dev/data', 'pod'],
  ])('%s: %s', (path, expected) => {
    expect(verdict(policy(), path)).toBe(expected);
  });

  it('knows the folders of macOS there only', () => {
    expect(verdict(policy({}, { platform: 'darwin' }), '/Users/me/x')).toBe('default-local');
    expect(verdict(policy(), '/Users/me/x')).toBe('pod');
  });

  it('takes nothing of the paths of Windows for a POSIX path', () => {
    const windows = { cwd: 'C:\\app', home: 'C:\\Users\\me', tmpdir: 'C:\\Temp', execPath: 'C:\\node\\node.exe' };
    expect(verdict(policy({}, { ...windows, platform: 'win32' }), '/data/x')).toBe('pod');
  });

  it('keeps a working directory that is the root from making everything local', () => {
    expect(verdict(policy({}, { cwd: '/' }), '/data/x')).toBe('pod');
  });
});

describe('the order', () => {
  const mounts = [
    { path: '/etc/reviews', subPath: false },
    { path: '/etc/app/one.conf/', subPath: true },
  ];
  it('has volume mounts before the default lists, whole or exact', () => {
    const mounted = policy({}, { volumeMounts: mounts });
    expect(verdict(mounted, '/etc/reviews')).toBe('pod');
    expect(verdict(mounted, '/etc/reviews/app.js')).toBe('pod');
    expect(verdict(mounted, '/etc/reviewsx')).toBe('default-local');
    expect(verdict(mounted, '/etc/app/one.conf')).toBe('pod');
    expect(verdict(mounted, '/etc/app/one.conf/x')).toBe('default-local');
    expect(verdict(mounted, '/etc/reviews/x', 'write')).toBe('write-stays-local');
  });

  it('has the configuration before volume mounts, not_found first', () => {
    const volumeMounts = mounts;
    expect(verdict(policy({ local: ['reviews'] }, { volumeMounts }), '/etc/reviews/x')).toBe('configured-local');
    expect(verdict(policy({ local: ['x'], readOnly: ['x'] }), '/a/x')).toBe('pod');
    expect(verdict(policy({ readOnly: ['x'], readWrite: ['x'] }), '/a/x', 'write')).toBe('EROFS');
    expect(verdict(policy({ readWrite: ['x'], notFound: ['x'] }), '/a/x')).toBe('ENOENT');
    expect(verdict(policy({ readOnly: ['^/etc/passwd$'] }), '/etc/passwd')).toBe('pod');
    expect(verdict(policy({ readOnly: ['\\.kube'] }), '/root-of/dev/.kube/config')).toBe('pod');
  });

  it('matches without regard to case and anywhere, unless it is written otherwise', () => {
    expect(verdict(policy({ local: ['SECRET'] }), '/data/my-secret-x')).toBe('configured-local');
    expect(verdict(policy({ local: ['^/secret|b$'] }), '/data/secret')).toBe('pod');
    expect(verdict(policy({ local: ['^/secret|b$'] }), '/data/b')).toBe('configured-local');
    expect(verdict(policy({ local: ['^/nothing', '(?i)^/(?P<kind>data)/'] }), '/DATA/x')).toBe('configured-local');
  });
});

describe('the modes', () => {
  it.each<[FsConfig['mode'], string, string, string, string]>([
    ['local', 'feature-off', 'feature-off', 'feature-off', 'feature-off'],
    ['localwithoverrides', 'default-local', 'default-local', 'pod', 'pod'],
    ['read', 'pod', 'write-stays-local', 'pod', 'pod'],
    ['write', 'pod', 'EROFS', 'pod', 'pod'],
  ])('%s', (mode, read, write, listed, hosts) => {
    const given = policy({ mode, readOnly: ['^/listed'] });
    expect(verdict(given, '/data/x')).toBe(read);
    expect(verdict(given, '/data/x', 'metadata')).toBe(read);
    expect(verdict(given, '/data/x', 'write')).toBe(write);
    expect(verdict(given, '/listed/x')).toBe(listed);
    expect(verdict(given, '/etc/hosts')).toBe(hosts);
  });

  it('says why a write is refused and what to do', () => {
    const refused = policy({ mode: 'write' }).decide('/data/x', 'write');
    const { cause } = (refused as { error: Error }).error;
    expect(isMirrordError(cause) && cause.code).toBe('FS_WRITE_UNSUPPORTED');
    expect(isMirrordError(cause) && cause.hint).toContain('feature.fs.mode');
  });
});

describe('mapping', () => {
  it('rewrites before all rules, with numbered and named groups, the first match only', () => {
    const mapping = {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the notation of the configuration
      '^/home/(?<user>\\w+)/conf': '/conf/${user}',
      '^/a/(.*)$': '/b/$1/$0',
      '^/b': '/never',
      '^/money': '/$$',
    };
    const { remotePath } = policy({ mapping });
    expect(remotePath('/home/me/conf/x')).toBe('/conf/me/x');
    expect(remotePath('/a/one')).toBe('/b/one//a/one');
    expect(remotePath('/money')).toBe('/$');
    expect(remotePath('/other')).toBe('/other');
    expect(verdict(policy({ mapping }), '/home/me/conf/x')).toBe('pod');
    expect(verdict(policy({ mapping: { '^/data': '/etc' } }), '/data/x')).toBe('default-local');
  });
});

it('names the pattern and the key of what is no regular expression', () => {
  for (const [key, fs] of Object.entries({
    'feature.fs.local': { local: ['fine', '(open'] },
    'feature.fs.mapping': { mapping: { '(open': '/x' } },
  })) {
    try {
      policy(fs);
      expect.unreachable();
    } catch (error) {
      expect(isMirrordError(error) && error.code).toBe('FS_PATTERN_INVALID');
      expect((error as Error).message).toContain(`${key} holds "(open"`);
    }
  }
});

describe('the project', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'roots-'));
    mkdirSync(join(root, 'repository/.git'), { recursive: true });
    mkdirSync(join(root, 'repository/packages/one/src'), { recursive: true });
    mkdirSync(join(root, 'repository/packages/two'), { recursive: true });
    writeFileSync(join(root, 'repository/packages/one/package.json'), '{}');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('is the package and the repository around the working directory', () => {
    const source = join(root, 'repository/packages/one/src');
    expect(findLocalRoots(source)).toEqual([source, join(root, 'repository/packages/one'), join(root, 'repository')]);
    expect(findLocalRoots(join(root, 'repository'))).toEqual([join(root, 'repository')]);
    expect(findLocalRoots('/')).toEqual([]);
  });

  it('is local, and what is beside it is not', () => {
    const { cwd } = { cwd: '/none/at/all' };
    expect(findLocalRoots(cwd)).toEqual([cwd]);
    expect(verdict(policy({}, { cwd }), '/none/at/all/data.json')).toBe('default-local');
    expect(verdict(policy({}, { cwd }), '/none/at/data.json')).toBe('pod');
  });
});
