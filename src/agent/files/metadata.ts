import { type BigIntStats, promises } from 'node:fs';
import type { Result, WireStat } from '../../protocol/contract';
import { pathOf } from './descriptors';
import { fileError } from './file-error';
import { atPlace, selfLink, type TargetRoot } from './walk';

export function toWireStat(stats: BigIntStats): WireStat {
  return {
    dev: stats.dev,
    ino: stats.ino,
    mode: stats.mode,
    nlink: stats.nlink,
    uid: stats.uid,
    gid: stats.gid,
    rdev: stats.rdev,
    size: stats.size,
    blksize: stats.blksize,
    blocks: stats.blocks,
    atimeNs: stats.atimeNs,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    birthtimeNs: stats.birthtimeNs,
  };
}

export function stat(root: TargetRoot, path: string): Promise<Result<'fs.stat'>> {
  return atPlace(root, path, { followLast: true, syscall: 'stat' }, async ({ stats }) => ({ stat: toWireStat(stats) }));
}

export function lstat(root: TargetRoot, path: string): Promise<Result<'fs.lstat'>> {
  return atPlace(root, path, { followLast: false, syscall: 'lstat' }, async ({ stats }) => ({
    stat: toWireStat(stats),
  }));
}

/** As root in the target sees it: everything is readable, only what has an x bit is executable, EROFS where mounted so. */
export function access(root: TargetRoot, path: string, mode: number): Promise<Result<'fs.access'>> {
  return atPlace(root, path, { followLast: true, syscall: 'access' }, async ({ fd }) => {
    await promises.access(pathOf(fd), mode);
    return {};
  });
}

export function realpath(root: TargetRoot, path: string): Promise<Result<'fs.realpath'>> {
  return atPlace(root, path, { followLast: true, syscall: 'realpath' }, async (place) => ({ path: place.path }));
}

/** The link's text as the target reads it, absolute or not. EINVAL for what is no link. */
export function readlink(root: TargetRoot, path: string): Promise<Result<'fs.readlink'>> {
  return atPlace(root, path, { followLast: false, syscall: 'readlink' }, async (place) => {
    if (!place.stats.isSymbolicLink() || !place.parent) throw fileError('EINVAL', 'readlink', path);
    const { fd, name } = place.parent;
    const inProc = place.path === `/proc/${name}`;
    return { target: selfLink(root, inProc, name) ?? (await promises.readlink(`${pathOf(fd)}/${name}`)) };
  });
}

export function statfs(root: TargetRoot, path: string): Promise<Result<'fs.statfs'>> {
  return atPlace(root, path, { followLast: true, syscall: 'statfs' }, async ({ fd }) => {
    const { type, bsize, blocks, bfree, bavail, files, ffree } = await promises.statfs(pathOf(fd), { bigint: true });
    return { type, bsize, blocks, bfree, bavail, files, ffree };
  });
}
