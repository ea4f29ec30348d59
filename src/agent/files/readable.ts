import type { BigIntStats } from 'node:fs';
import { fileError } from './file-error';

/** Device numbers (major 1) that are safe to read, and whether they ever end. */
const DEVICES = new Map<bigint, 'empty' | 'endless'>([
  [0x103n, 'empty'], // /dev/null
  [0x105n, 'endless'], // /dev/zero
  [0x108n, 'endless'], // /dev/random
  [0x109n, 'endless'], // /dev/urandom
]);

/**
 * Refuses what cannot be read in one go. A FIFO would wait for a writer, a terminal or a tape for who knows what, and
 * opening a device can already have an effect, so nothing of that kind is opened.
 */
export function checkReadable(stats: BigIntStats, path: string, bounded: boolean): void {
  if (stats.isFile()) return;
  // Node opens a directory and fails at the first read.
  if (stats.isDirectory()) throw fileError('EISDIR', 'read', path);
  if (stats.isSocket()) throw fileError('ENXIO', 'open', path);
  if (stats.isFIFO()) throw fileError('ENOTSUP', 'open', path, `${path} is a FIFO: reading it could wait forever`);
  const kind = stats.isCharacterDevice() ? DEVICES.get(stats.rdev) : undefined;
  if (kind === 'empty' || (kind === 'endless' && bounded)) return;
  const text = kind === 'endless' ? `${path} never ends: give maxBytes` : `${path} is a device`;
  throw fileError('ENOTSUP', 'open', path, text);
}
