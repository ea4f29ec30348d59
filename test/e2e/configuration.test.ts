import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { cli, preload, runForJson, runProcess } from '../support/spawn-app';
import { createWorld, type World } from './world';

let world: World;
let folder: string;
beforeAll(async () => {
  world = await createWorld('configuration');
}, 120_000);
afterAll(() => world?.drop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-configuration-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: unknown): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const script = `
  const fs = require('node:fs');
  const read = (path) => { try { return fs.readFileSync(path, 'utf8').trim(); } catch (error) { return error.code; } };
  console.log(JSON.stringify({
    env: process.env.FROM_SECRET, mapped: process.env.FROM_CONFIG, own: process.env.ADDED,
    hostname: require('node:os').hostname() === process.env.OWN_HOSTNAME,
    file: read('/etc/target/data.txt'), other: read('/etc/target/other.txt'),
  }))`;

/** The target comes from the file alone. */
const env = () => ({
  ...world.env,
  MIRRORD_TARGET: undefined,
  MIRRORD_TARGET_NAMESPACE: undefined,
  OWN_HOSTNAME: hostname,
});
const hostname = (await import('node:os')).hostname();

const config = () => ({
  target: { path: `pod/${world.pod}/container/app`, namespace: world.namespace },
  feature: {
    env: { exclude: ['FROM_SECRET'], override: { ADDED: 'by the file' }, mapping: { '^FROM_C.*$': 'mapped' } },
    fs: { local: ['^/etc/target/data\\.txt$'] },
    hostname: false,
  },
});

const expected = { mapped: 'mapped', own: 'by the file', hostname: true, file: 'ENOENT', other: 'x' };

it.each(['mirrord.json', '.mirrord/mirrord.json'])('is found as %s from a folder below the package', async (path) => {
  write('package.json', {});
  write(path, config());
  const cwd = dirname(write('src/deep/app.js', script));
  const seen = await runForJson({ args: ['-r', preload, 'app.js'], env: env(), cwd });
  expect(seen).toEqual(expected);
});

it('can be given to exec, and flags win over it', async () => {
  const file = write('team.json', { ...config(), target: { path: 'deployment/none', namespace: 'none' } });
  const args = ['exec', '-f', file, '-t', 'deployment/target', '-n', world.namespace, '--', 'node', '-e', script];
  expect(await runForJson({ args: [cli, ...args], env: env(), cwd: folder })).toEqual(expected);
});

it('with a key that does not exist stops the app and names the nearest one', async () => {
  write('mirrord.json', { ...config(), feature: { evn: {} } });
  const outcome = await runProcess({ args: ['-r', preload, '-e', 'console.log("started")'], env: env(), cwd: folder });
  expect(outcome).toMatchObject({ code: 1, stdout: '' });
  expect(outcome.stderr).toContain('CONFIG_UNKNOWN_KEY');
  expect(outcome.stderr).toContain('env');
});
