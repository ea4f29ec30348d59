import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isTool } from '../../../src/runtime/tool';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tool '));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Puts a script into the folder, in a package of that name. */
function place(script: string, packageName: string | undefined, root = '.'): string {
  const path = join(folder, script);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  if (packageName !== undefined) {
    writeFileSync(join(folder, root, 'package.json'), JSON.stringify({ name: packageName }));
  }
  return path;
}

describe('a program of a tool', () => {
  it.each([
    ['lib/node_modules/npm/bin/npm-cli.js', 'npm', 'lib/node_modules/npm'],
    ['lib/node_modules/npm/bin/npx-cli.js', 'npm', 'lib/node_modules/npm'],
    ['Cellar/yarn/1.22.22/libexec/bin/yarn.js', 'yarn', 'Cellar/yarn/1.22.22/libexec'],
    ['a/node_modules/pnpm/bin/pnpm.cjs', 'pnpm', 'a/node_modules/pnpm'],
    ['a/node_modules/corepack/dist/pnpm.js', 'corepack', 'a/node_modules/corepack'],
    ['a/node_modules/nx/dist/src/daemon/server/start.js', 'nx', 'a/node_modules/nx'],
    ['a/node_modules/@yarnpkg/cli-dist/bin/yarn.js', '@yarnpkg/cli-dist', 'a/node_modules/@yarnpkg/cli-dist'],
    ['a/node_modules/tsx/dist/cli.mjs', 'tsx', 'a/node_modules/tsx'],
    ['a/node_modules/nodemon/bin/nodemon.js', 'nodemon', 'a/node_modules/nodemon'],
    ['p/.yarn/releases/yarn-4.5.0.cjs', undefined, ''],
    ['.cache/node/corepack/v1/yarn/4.5.0/yarn.js', undefined, ''],
  ])('is known by its package: %s', (script, name, root) => {
    expect(isTool(place(script, name, root))).toBe(true);
  });

  it('is known behind the link of a .bin folder', () => {
    const script = place('l/node_modules/turbo/bin/turbo', 'turbo', 'l/node_modules/turbo');
    mkdirSync(join(folder, 'l/node_modules/.bin'));
    const link = join(folder, 'l/node_modules/.bin/turbo');
    symlinkSync('../turbo/bin/turbo', link);
    expect(isTool(link)).toBe(true);
    expect(isTool(script)).toBe(true);
  });

  it('is known by the package around a nameless package.json', () => {
    const script = place('n/node_modules/npm/lib/x/npm-cli.js', '', 'n/node_modules/npm/lib/x');
    writeFileSync(join(dirname(script), 'package.json'), '{"type":"commonjs"}');
    writeFileSync(join(folder, 'n/node_modules/npm/package.json'), '{"name":"npm"}');
    expect(isTool(script)).toBe(true);
  });

  it('is the npm of this very Node', () => {
    const npm = join(dirname(process.execPath), 'npm');
    expect(realpathSync(npm)).toContain('npm-cli.js');
    expect(isTool(npm)).toBe(true);
  });
});

describe('an app', () => {
  it.each(['turbo.js', 'npm.js', 'yarn', 'nodemon.js', 'next', 'tsc-worker.js', 'nx/server.js', 'npm/server.js'])(
    'may be called %s',
    (name) => {
      expect(isTool(place(`apps/${name}`, 'my-app', 'apps'))).toBe(false);
    },
  );

  it('may be called so without any package.json, and need not exist', () => {
    const lone = mkdtempSync('/tmp/lone-');
    try {
      writeFileSync(join(lone, 'turbo.js'), '');
      expect(isTool(join(lone, 'turbo.js'))).toBe(false);
      expect(isTool(join(lone, 'yarn.js'))).toBe(false);
    } finally {
      rmSync(lone, { recursive: true });
    }
    expect(isTool(undefined)).toBe(false);
  });

  it('is what Nx runs in its executor', () => {
    expect(isTool(place('e/node_modules/nx/dist/bin/run-executor.js', 'nx', 'e/node_modules/nx'))).toBe(false);
  });
});
