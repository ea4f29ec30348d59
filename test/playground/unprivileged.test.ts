import { execFile } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const demo = fileURLToPath(new URL('../../examples/shop/demo.mjs', import.meta.url));
const NOBODY = 65534;

/** Runs the demo as an ordinary user: as root it steps down to `nobody`, otherwise it is one already. */
it('the whole demo works without root', async () => {
  const home = mkdtempSync(join(tmpdir(), 'mirrord-unprivileged-'));
  const isRoot = process.getuid?.() === 0;
  const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) chownSync(home, NOBODY, NOBODY);
  try {
    const { stdout } = await run(process.execPath, [demo, '--json'], {
      ...identity,
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, TMPDIR: home },
      timeout: 90_000,
    });
    const report = JSON.parse(stdout) as { ok: boolean; steps: { name: string; ok: boolean }[] };
    expect(report.steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.steps.length).toBeGreaterThan(10);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}, 100_000);
