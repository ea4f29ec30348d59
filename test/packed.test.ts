import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runProcess } from './support/run-process';

/** The package as npm would install it, in a project whose path has a space. */
let project: string;
beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-packed-'));
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root, stdio: 'pipe' });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  project = join(folder, 'a project');
  const target = join(project, 'node_modules', 'mirrord');
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, archive), '-C', target, '--strip-components=1']);
  writeFileSync(join(project, 'package.json'), '{}');
}, 60_000);
afterAll(() => rmSync(join(project, '..'), { recursive: true, force: true }));

const run = (args: string[], env: Record<string, string | undefined> = {}) =>
  runProcess({
    args,
    cwd: project,
    env: { KUBECONFIG: '/nowhere', MIRRORD_TARGET: undefined, NODE_OPTIONS: undefined, ...env },
  });

describe('the package that users install', () => {
  it.each([
    ['require', ['-e', "console.log(typeof require('mirrord').startSession)"]],
    [
      'import',
      ['--input-type=module', '-e', "import { startSession } from 'mirrord'; console.log(typeof startSession)"],
    ],
  ])('gives the public API to %s', async (_, args) => {
    expect(await run(args)).toMatchObject({ code: 0, stdout: 'function\n', stderr: '' });
  });

  it.each([
    ['-r', ['-r', 'mirrord/register']],
    ['--require', ['--require', 'mirrord/register']],
    ['--import', ['--import', 'mirrord/register']],
  ])('preloads with %s, and stays out of the way when it is disabled', async (_, flags) => {
    const app = [...flags, '-e', "console.log('app')"];
    expect(await run(app, { MIRRORD_DISABLE: '1' })).toMatchObject({ code: 0, stdout: 'app\n', stderr: '' });
    const active = await run(app);
    expect(active).toMatchObject({ code: 1, stdout: '' });
    expect(active.stderr).toContain('TARGET_MISSING');
  });

  it('has a command that knows its version', async () => {
    const { stdout } = await run(['node_modules/mirrord/dist/cli.js', '--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('needs no other package', () => {
    expect(readdirSync(join(project, 'node_modules'))).toEqual(['mirrord']);
  });
});
