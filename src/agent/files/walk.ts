import type { BigIntStats } from 'node:fs';
import { close, PLACE, PLACE_FOLLOWED, pathOf } from './descriptors';
import { fileError, relabel } from './file-error';
import { type PlaceCalls, placeCalls } from './place-calls';

/** The file tree of the target as the agent reaches it. */
export interface TargetRoot {
  /** `/proc/PID/root`, or `/` without a target. */
  path: string;
  /** The main process's id in the target's own process namespace: what `/proc/self` means there. */
  innerPid: number | undefined;
}

/** A place inside the target's root, held by an O_PATH descriptor that the caller closes. */
export interface Place {
  fd: number;
  stats: BigIntStats;
  /** Canonical absolute path inside the target. */
  path: string;
  /** Descriptor of the directory that holds it, and its name there; undefined for the root. Closed with the place. */
  parent: { fd: number; name: string } | undefined;
}

interface Step {
  fd: number;
  name: string;
  directory: boolean;
  stats: BigIntStats;
}

/** As the kernel: forty links are followed, the next one is ELOOP. */
const MAX_LINKS = 40;
/** PATH_MAX counts the terminating NUL. */
const MAX_PATH_BYTES = 4095;

/** Components in reverse, the next one last. A trailing slash becomes `.`, which only a directory has. */
function componentsOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '');
  if (path.endsWith('/')) names.push('.');
  return names.reverse();
}

function checkPath(path: string, syscall: string): void {
  if (path === '') throw fileError('ENOENT', syscall, path);
  if (!path.startsWith('/') || path.includes('\0')) {
    throw fileError('EINVAL', syscall, path, `"${path}" is not an absolute path without NUL`);
  }
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw fileError('ENAMETOOLONG', syscall, path);
}

/**
 * What `/proc/self` means to the target; undefined for any other link. The kernel's own answer would be the agent, or
 * nothing at all in a process namespace that the agent is not part of.
 */
export function selfLink(root: TargetRoot, inProc: boolean, name: string): string | undefined {
  if (!inProc || root.innerPid === undefined) return undefined;
  if (name === 'self') return String(root.innerPid);
  return name === 'thread-self' ? `${root.innerPid}/task/${root.innerPid}` : undefined;
}

/**
 * Resolves `path` inside the target's root, one component at a time, each relative to a descriptor of the directory
 * before it. The kernel itself never follows a link: it would resolve an absolute one against the agent's root. As every
 * step starts from a descriptor, renaming or re-linking in the target meanwhile cannot lead out of the root either.
 *
 * `followLast` false gives the link itself, as `lstat` wants. Throws the error the kernel would give to a process in the
 * target, labelled with `syscall` and the given path. The caller closes the place with `release`.
 */
export async function locate(root: TargetRoot, path: string, followLast: boolean, syscall: string): Promise<Place> {
  checkPath(path, syscall);
  const steps: Step[] = [];
  try {
    const calls = placeCalls(root);
    const rootFd = await openRoot(root, calls).catch(() => {
      // The target has ended: ENOENT would say that the file does not exist.
      throw fileError('EIO', syscall, path, 'the target has ended');
    });
    steps.push({ fd: rootFd, name: '', directory: true, stats: await statOrClose(calls, rootFd) });
    await walk(root, calls, steps, componentsOf(path), followLast, (code) => fileError(code, syscall, path));
  } catch (error) {
    for (const step of steps) close(step.fd);
    throw relabel(error, syscall, path);
  }
  const last = steps.pop()!;
  const parent = steps.pop();
  for (const step of steps) close(step.fd);
  const names = [...steps.slice(1), ...(parent && parent.name !== '' ? [parent] : []), last].map((step) => step.name);
  return {
    fd: last.fd,
    stats: last.stats,
    path: `/${names.filter((name) => name !== '').join('/')}`,
    parent: parent && { fd: parent.fd, name: last.name },
  };
}

async function openRoot(root: TargetRoot, calls: PlaceCalls): Promise<number> {
  return calls.open(root.path, PLACE_FOLLOWED);
}

async function walk(
  root: TargetRoot,
  calls: PlaceCalls,
  steps: Step[],
  pending: string[],
  followLast: boolean,
  fail: (code: string) => Error,
): Promise<void> {
  let links = 0;
  while (pending.length > 0) {
    const name = pending.pop()!;
    const current = steps.at(-1)!;
    if (!current.directory) throw fail('ENOTDIR');
    if (name === '.') continue;
    if (name === '..') {
      // `..` of the root is the root. Every other step is a real directory, so its parent is the step before it.
      if (steps.length > 1) close(steps.pop()!.fd);
      continue;
    }
    const fd = await calls.open(`${pathOf(current.fd)}/${name}`, PLACE);
    const stats = await statOrClose(calls, fd);
    if (!stats.isSymbolicLink() || (pending.length === 0 && !followLast)) {
      steps.push({ fd, name, directory: stats.isDirectory(), stats });
      continue;
    }
    close(fd);
    if (++links > MAX_LINKS) throw fail('ELOOP');
    const inProc = steps.length === 2 && current.name === 'proc';
    const target = selfLink(root, inProc, name) ?? (await readLink(calls, `${pathOf(current.fd)}/${name}`));
    if (target === undefined) {
      pending.push(name);
      continue;
    }
    if (target.startsWith('/')) for (const step of steps.splice(1)) close(step.fd);
    pending.push(...componentsOf(target));
  }
}

/** Undefined when it is no link any more: it was replaced since it was looked at, and is looked at again. */
async function readLink(calls: PlaceCalls, path: string): Promise<string | undefined> {
  try {
    return await calls.readlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

async function statOrClose(calls: PlaceCalls, fd: number): Promise<BigIntStats> {
  try {
    return await calls.stat(fd);
  } catch (error) {
    close(fd);
    throw error;
  }
}

export function release(place: Place): void {
  close(place.fd);
  if (place.parent) close(place.parent.fd);
}

/** Locates, hands the place to `use`, releases it. Errors of `use` are labelled with the call's name and path too. */
export async function atPlace<T>(
  root: TargetRoot,
  path: string,
  options: { followLast: boolean; syscall: string },
  use: (place: Place) => Promise<T>,
): Promise<T> {
  const place = await locate(root, path, options.followLast, options.syscall);
  try {
    return await use(place);
  } catch (error) {
    throw relabel(error, options.syscall, path);
  } finally {
    release(place);
  }
}
