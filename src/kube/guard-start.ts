import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RELEASED, type ReaperOrder } from './reaper-order';

/**
 * Starts a process that deletes the Job when this one dies, until `release()`. The app's thread is blocked while a session
 * starts, so it can run no handler of a signal: Ctrl-C ends it on the spot, as SIGKILL would.
 *
 * Never throws: without the guard, an agent that nobody came for ends by itself half a minute later.
 */
export function guardStart(order: ReaperOrder | undefined): { release(): void } {
  const bundle = join(typeof __dirname === 'string' ? __dirname : '/nowhere', 'reaper.cjs');
  if (!order || !existsSync(bundle)) return { release() {} };
  // A preload, or an inspector's port, is the app's and not the guard's.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [bundle], {
    // A session of its own: Ctrl-C goes to all processes of the terminal's foreground group.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env,
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  (child.stdin as unknown as { unref?(): void }).unref?.();
  child.stdin.write(`${JSON.stringify(order)}\n`);
  return { release: () => void child.stdin.end(`${RELEASED}\n`) };
}
