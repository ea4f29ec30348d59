import { readFileSync } from 'node:fs';

let ranges: { first: number; count: number }[] | undefined;

function read(): { first: number; count: number }[] {
  ranges ??= readFileSync('/proc/self/uid_map', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([first, , count]) => ({ first: first!, count: count! }));
  return ranges;
}

/** Whether a user id exists in this user namespace. Without a package for id ranges, a rootless one knows 0 only. */
export function isMapped(id: number): boolean {
  return read().some(({ first, count }) => id >= first && id < first + count);
}

/** The kernel forbids setgroups in a user namespace that an unprivileged process mapped by itself. */
export function mayDropGroups(): boolean {
  try {
    return readFileSync('/proc/self/setgroups', 'utf8').trim() === 'allow';
  } catch {
    return true;
  }
}
