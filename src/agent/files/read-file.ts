import type { BigIntStats } from 'node:fs';
import { close, pathOf, READ, read } from './descriptors';
import { fileError, relabel } from './file-error';
import { placeCalls } from './place-calls';
import { checkReadable } from './readable';
import { locate, release, type TargetRoot } from './walk';

/** Most bytes of one read of the disk: a bigger one would keep a thread of the pool from everyone else. */
const CHUNK = 256 * 1024;
/** Up to this size an answer is one frame and read at once; a longer one is read while it is sent. */
export const IN_MEMORY = 64 * 1024;
/** As in Node: a Buffer for a whole file may not be longer. */
export const MAX_WHOLE_FILE = 2 ** 31 - 1;
/** Files of procfs and sysfs say that they are empty; none is as long as this. */
const MAX_UNSIZED = 64 * 1024 * 1024;

/** A file opened for reading, and what it was when it was opened. */
export interface OpenFile {
  fd: number;
  stats: BigIntStats;
}

/** Bytes that are there, or `length` bytes from `position` of an open file that are still to be read. */
export type Content = { bytes: Uint8Array } | { fd: number; position: number; length: number };

/**
 * Opens what `path` leads to inside the root, without waiting for anything. The place is looked at first, so a FIFO or a
 * device is never opened. `bounded` says that the caller stops by itself. The caller closes `fd`.
 */
export async function openForReading(root: TargetRoot, path: string, bounded: boolean): Promise<OpenFile> {
  const place = await locate(root, path, true, 'open');
  try {
    checkReadable(place.stats, path, bounded);
    return { fd: await placeCalls(root).open(pathOf(place.fd), READ), stats: place.stats };
  } catch (error) {
    throw relabel(error, 'open', path);
  } finally {
    release(place);
  }
}

/** Bytes from `position` (null: from where the last read ended) until `length` are there or the file ends. */
export async function readRange(
  fd: number,
  path: string,
  position: number | null,
  length: number,
): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  try {
    while (filled < length) {
      const at = position === null ? null : position + filled;
      const { bytesRead } = await read(fd, buffer, filled, Math.min(CHUNK, length - filled), at);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
  } catch (error) {
    throw relabel(error, 'read', path);
  }
  return buffer.subarray(0, filled);
}

/** From the start to the end of a file that does not tell its size; at most `limit` bytes. */
async function readToEnd(fd: number, path: string, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total < limit) {
    const chunk = await readRange(fd, path, null, Math.min(IN_MEMORY, limit - total));
    if (chunk.length === 0) break;
    chunks.push(chunk);
    total += chunk.length;
  }
  return Buffer.concat(chunks, total);
}

/**
 * At most `limit` bytes of the file at `path` from `position`; without a limit the whole file, as `readFile` does it: as
 * many bytes as it had when it was opened. Where the answer holds a descriptor, the caller closes it.
 */
export async function readContent(
  root: TargetRoot,
  path: string,
  position: number,
  limit: number | undefined,
): Promise<{ stats: BigIntStats; content: Content }> {
  const { fd, stats } = await openForReading(root, path, limit !== undefined);
  let handedOver = false;
  try {
    // Only regular files have a size; /dev/null is the one device that is read without a limit, and it is empty.
    const available = stats.isFile() ? Math.max(Number(stats.size) - position, 0) : (limit ?? 0);
    const length = Math.min(available, limit ?? available);
    if (limit === undefined && length > MAX_WHOLE_FILE) throw fileError('EFBIG', 'read', path);
    if (stats.isFile() && stats.size === 0n) {
      const bytes = await readToEnd(fd, path, Math.min(position + (limit ?? MAX_UNSIZED), MAX_UNSIZED));
      return { stats, content: { bytes: bytes.subarray(position) } };
    }
    if (length <= IN_MEMORY) {
      return { stats, content: { bytes: await readRange(fd, path, stats.isFile() ? position : null, length) } };
    }
    handedOver = true;
    return { stats, content: { fd, position, length } };
  } finally {
    if (!handedOver) close(fd);
  }
}

/** The first `maxBytes` of a file that is known to be short. */
export async function readSmallFile(root: TargetRoot, path: string, maxBytes: number): Promise<Uint8Array> {
  const { fd } = await openForReading(root, path, true);
  try {
    return await readToEnd(fd, path, maxBytes);
  } finally {
    close(fd);
  }
}
