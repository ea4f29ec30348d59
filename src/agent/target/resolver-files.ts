import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { readSmallFile } from '../files/read-file';
import type { TargetRoot } from '../files/walk';
import type { Log } from '../log';

/** What `getaddrinfo` and c-ares read. */
const FILES = ['/etc/resolv.conf', '/etc/hosts'];
const MAX_BYTES = 1024 * 1024;

/**
 * Makes the agent pod's own resolver files equal to the target's, so that plain `dns.lookup` in the worker answers as in
 * the pod. Mounting them is not possible: the kernel refuses a bind mount across mount namespaces.
 *
 * Never throws: what cannot be read or written is logged, as names may still resolve (all pods share the name server).
 * Returns the number of files that were changed.
 */
export async function copyResolverFiles(root: TargetRoot, log: Log, ownPrefix = ''): Promise<number> {
  let changed = 0;
  for (const path of FILES) {
    try {
      const theirs = await readTheirs(root, path);
      if (replaceContent(`${ownPrefix}${path}`, theirs)) changed++;
    } catch (error) {
      log.warn(`${path} of the target could not be copied; names may resolve differently`, {
        code: (error as NodeJS.ErrnoException).code,
      });
    }
  }
  return changed;
}

/** A missing file means the same as an empty one to the resolver. */
async function readTheirs(root: TargetRoot, path: string): Promise<Uint8Array> {
  try {
    return await readSmallFile(root, path, MAX_BYTES);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array();
    throw error;
  }
}

/**
 * In place, as the kubelet mounts these files one by one and a mount point cannot be renamed over; written before it is
 * shortened, so that a lookup at that moment never meets an empty file.
 */
function replaceContent(path: string, content: Uint8Array): boolean {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    if (readFileSync(fd).equals(content)) return false;
    writeSync(fd, content, 0, content.length, 0);
    ftruncateSync(fd, content.length);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** Copies again every `intervalMs` while the files differ. Returns the stop function. */
export function keepResolverFiles(root: () => TargetRoot, log: Log, intervalMs: number): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout;
  const next = async (): Promise<void> => {
    if ((await copyResolverFiles(root(), log)) > 0)
      log.info('resolver files of the target have changed and were copied');
    schedule();
  };
  const schedule = (): void => {
    if (!stopped) timer = setTimeout(next, intervalMs).unref();
  };
  schedule();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
