import { type Dirent, promises } from 'node:fs';
import type { DirentType, WireDirent } from '../../protocol/contract';
import { pathOf } from './descriptors';
import { fileError } from './file-error';
import { atPlace, type TargetRoot } from './walk';

/** A listing is one answer in memory on both sides; a tree beyond this is not meant to be listed in one call. */
export const MAX_ENTRIES = 500_000;

/**
 * Entries with their types. Recursive: breadth first, parents relative to `path`, links to directories listed but not
 * entered, as Node does with `withFileTypes`. A directory that vanishes or is closed to us meanwhile fails the call, as
 * in Node. An aborted `signal` stops it between two directories.
 */
export async function readDirectory(
  root: TargetRoot,
  path: string,
  recursive: boolean,
  { maxEntries = MAX_ENTRIES, signal }: { maxEntries?: number; signal?: AbortSignal } = {},
): Promise<WireDirent[]> {
  const entries: WireDirent[] = [];
  const queue = [''];
  for (let parent = queue.shift(); parent !== undefined; parent = queue.shift()) {
    signal?.throwIfAborted();
    for (const dirent of await listOne(root, parent === '' ? path : `${path.replace(/\/+$/, '')}/${parent}`)) {
      if (entries.length >= maxEntries) {
        throw fileError('EOVERFLOW', 'scandir', path, `${path} holds more than ${maxEntries} entries`);
      }
      entries.push({ name: dirent.name, type: typeOf(dirent), parent });
      if (recursive && dirent.isDirectory()) queue.push(parent === '' ? dirent.name : `${parent}/${dirent.name}`);
    }
  }
  return entries;
}

function listOne(root: TargetRoot, path: string): Promise<Dirent[]> {
  return atPlace(root, path, { followLast: true, syscall: 'scandir' }, async ({ fd, stats }) => {
    if (!stats.isDirectory()) throw fileError('ENOTDIR', 'scandir', path);
    return promises.readdir(pathOf(fd), { withFileTypes: true });
  });
}

function typeOf(dirent: Dirent): DirentType {
  if (dirent.isFile()) return 1;
  if (dirent.isDirectory()) return 2;
  if (dirent.isSymbolicLink()) return 3;
  if (dirent.isFIFO()) return 4;
  if (dirent.isSocket()) return 5;
  if (dirent.isCharacterDevice()) return 6;
  return dirent.isBlockDevice() ? 7 : 0;
}
