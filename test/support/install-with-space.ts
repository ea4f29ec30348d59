import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './run-process';

/** A copy of what is installed, in a folder whose name has a space and a quote. */
export function installWithSpace(): { folder: string; root: string } {
  const folder = mkdtempSync(join(tmpdir(), 'with "space" '));
  const installed = join(folder, 'node_modules', 'mirrord');
  for (const name of ['dist', 'register.cjs', 'package.json']) {
    cpSync(join(root, name), join(installed, name), { recursive: true });
  }
  return { folder, root: installed };
}
