import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { findTool } from './tools';

/** How ids map into a rootless playground: only the user's own as root, or a whole range. */
export type IdMapping = 'single' | 'range';

/** A range needs the setuid helper `newuidmap` and a line for the user in /etc/subuid. */
export function hasIdRange(): boolean {
  if (!findTool('newuidmap') || !findTool('newgidmap')) return false;
  const { username, uid } = userInfo();
  return ['/etc/subuid', '/etc/subgid'].every((file) => {
    try {
      const owners = readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.split(':')[0]);
      return owners.includes(username) || owners.includes(String(uid));
    } catch {
      return false;
    }
  });
}

/** Arguments of unshare that make a user namespace in which we are root. */
export function userNamespaceArguments(mapping: IdMapping): string[] {
  return ['--user', '--map-root-user', ...(mapping === 'range' ? ['--map-auto'] : [])];
}

/** Runs `unshare ARGS…` to see whether the kernel allows it; the error's text, or undefined when it does. */
export function tryUnshare(args: string[]): Promise<string | undefined> {
  const unshare = findTool('unshare');
  if (!unshare) return Promise.resolve('unshare is not installed');
  return new Promise((resolve) => {
    execFile(unshare, args, { timeout: 5_000 }, (error, _stdout, stderr) => {
      resolve(error ? stderr.trim() || error.message : undefined);
    });
  });
}

/** The best mapping that works here. */
export async function chooseIdMapping(): Promise<IdMapping> {
  if (!hasIdRange()) return 'single';
  return (await tryUnshare([...userNamespaceArguments('range'), 'true'])) === undefined ? 'range' : 'single';
}
