import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TargetRoot } from '../../../src/agent/files/walk';

/** A folder that plays the target's root; a value is a file's text, or `-> target` for a link. */
export function makeRoot(files: Record<string, string>): TargetRoot & { remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'mirrord-root-'));
  for (const [name, content] of Object.entries(files)) {
    const at = join(path, name);
    mkdirSync(dirname(at), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), at);
    else writeFileSync(at, content);
  }
  return { path, innerPid: undefined, remove: () => rmSync(path, { recursive: true }) };
}

/** What a promise rejects with, or a clear failure when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Record<string, unknown>;
  }
  throw new Error('it was expected to reject');
}
