import * as fs from 'node:fs';
import { open, statDescriptor } from './descriptors';
import type { TargetRoot } from './walk';

/** Calls of which a walk makes several for each component of a path. */
export interface PlaceCalls {
  open(path: string, flags: number): number | Promise<number>;
  stat(fd: number): fs.BigIntStats | Promise<fs.BigIntStats>;
  readlink(path: string): string | Promise<string>;
}

/** In the thread pool: each waits for two switches of threads, which takes ten times as long as the call itself. */
export const POOLED: PlaceCalls = {
  open,
  stat: (fd) => statDescriptor(fd, { bigint: true }),
  readlink: fs.promises.readlink,
};

const DIRECT: PlaceCalls = {
  open: fs.openSync,
  stat: (fd) => fs.fstatSync(fd, { bigint: true }),
  readlink: (path) => fs.readlinkSync(path),
};

/** Kinds that answer from memory or a disk of the node. All others may wait for a server that is gone, and so must nobody else. */
const PROMPT = new Set(
  `bdev bpf btrfs cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs erofs ext2 ext3 ext4 f2fs hugetlbfs iso9660
  mqueue nsfs overlay proc pstore ramfs rootfs securityfs selinuxfs squashfs sysfs tmpfs tracefs vfat xfs zfs`.split(
    /\s+/,
  ),
);

/** Milliseconds for which the target's mounts are taken to be the same. */
const MOUNTS_AGE = 250;

let known: { path: string; at: number; calls: PlaceCalls } | undefined;

/** How places under this root are looked at: at once where no file system of it can make us wait, else in the thread pool. */
export function placeCalls(root: TargetRoot): PlaceCalls {
  const now = performance.now();
  if (known?.path !== root.path || now - known.at > MOUNTS_AGE) {
    known = { path: root.path, at: now, calls: isPrompt(mountsOf(root)) ? DIRECT : POOLED };
  }
  return known.calls;
}

/** Whether every line of a `mountinfo` names a kind of file system that answers at once. */
export function isPrompt(mountinfo: string): boolean {
  // Optional fields of any number stand before the dash.
  const kinds = [...mountinfo.matchAll(/ - (\S+) /g)].map(([, kind]) => kind!);
  return kinds.length > 0 && kinds.every((kind) => PROMPT.has(kind));
}

function mountsOf({ path }: TargetRoot): string {
  const process = /^\/proc\/[^/]+(?=\/root$)/.exec(path)?.[0] ?? '/proc/self';
  try {
    return fs.readFileSync(`${process}/mountinfo`, 'latin1');
  } catch {
    // The target has ended: whoever walks finds out.
    return '';
  }
}
