import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig, VersionApi } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cli, runProcess } from '../support/run-process';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-commands-'));
});
afterEach(async () => {
  await playground('stop');
  rmSync(folder, { recursive: true, force: true });
});

const playground = (...args: string[]) =>
  runProcess({ args: [cli, 'playground', ...args], env: { MIRRORD_PLAYGROUND_DIR: folder } });

it('starts in the background, tells where it is, prints its kubeconfig and stops', async () => {
  const kubeconfig = join(folder, 'my-kubeconfig');
  const started = await playground('start', '--detach', '--kubeconfig', kubeconfig);
  expect(started).toMatchObject({ code: 0, stdout: '' });
  expect(statSync(kubeconfig).mode & 0o777).toBe(0o600);

  const status = await playground('status', '--json');
  expect(status.code).toBe(0);
  expect(JSON.parse(status.stdout)).toMatchObject({ running: true, kubeconfig });

  const printed = await playground('kubeconfig');
  expect(printed.stdout).toBe(readFileSync(kubeconfig, 'utf8'));
  const config = new KubeConfig();
  config.loadFromString(printed.stdout);
  expect((await config.makeApiClient(VersionApi).getCode()).gitVersion).toMatch(/^v1\.\d+/);

  const second = await playground('start', '--detach');
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('PLAYGROUND_RUNNING') });

  expect((await playground('stop')).code).toBe(0);
  expect(existsSync(join(folder, 'state.json'))).toBe(false);
  expect((await playground('status')).code).toBe(3);
});

it('says how to start one when there is none', async () => {
  const { code, stderr } = await playground('kubeconfig');
  expect(code).toBe(1);
  expect(stderr).toContain('PLAYGROUND_NOT_RUNNING');
  expect(stderr).toContain('mirrord playground start');
});

it('the doctor finds that this machine has all it needs', async () => {
  const { code, stdout } = await playground('doctor', '--json');
  const report = JSON.parse(stdout) as { ok: boolean; checks: { ok: boolean }[] };
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(report.ok).toBe(true);
  expect(code).toBe(0);
});

it('the doctor names what is missing, and the line that installs it', async () => {
  // In a mount namespace of its own nft is a file that cannot be run.
  const script = 'mount --bind /dev/null "$(PATH=$PATH:/usr/sbin command -v nft)" && exec "$0" "$@"';
  const { code, stdout } = await runProcess({
    command: 'unshare',
    args: ['-Urm', 'sh', '-c', script, process.execPath, cli, 'playground', 'doctor', '--json'],
    env: { MIRRORD_PLAYGROUND_DIR: folder },
  });
  const report = JSON.parse(stdout) as { ok: boolean; checks: { ok: boolean; detail: string; remedy?: string }[] };
  expect(code).toBe(1);
  expect(report.ok).toBe(false);
  const failed = report.checks.find(({ ok }) => !ok);
  expect(failed?.detail).toContain('nft');
  expect(failed?.remedy).toMatch(/install.* nftables/);
});
