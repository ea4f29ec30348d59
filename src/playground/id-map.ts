import { readFileSync } from 'node:fs';

const known = new Map<string, { first: number; count: number }[]>();

function ranges(file: string): { first: number; count: number }[] {
  const cached = known.get(file);
  if (cached) return cached;
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const read = lines.map((line) => {
    const [first, , count] = line.trim().split(/\s+/).map(Number);
    return { first: first!, count: count! };
  });
  known.set(file, read);
  return read;
}

/** Whether a user or group id exists in this user namespace. Without a package for id ranges, a rootless one knows 0 only. */
export function isMapped(kind: 'user' | 'group', id: number): boolean {
  const file = kind === 'user' ? '/proc/self/uid_map' : '/proc/self/gid_map';
  return ranges(file).some(({ first, count }) => id >= first && id < first + count);
}

/** The kernel forbids setgroups in a user namespace that an unprivileged process mapped by itself. */
export function mayDropGroups(): boolean {
  try {
    return readFileSync('/proc/self/setgroups', 'utf8').trim() === 'allow';
  } catch {
    return true;
  }
}
