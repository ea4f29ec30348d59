import type { WireStat } from '../protocol/contract';

/**
 * Answers that hold a stat and nothing else (`fs.stat`, `fs.lstat`, `fs.readFile`) as fourteen numbers in shared memory: they are
 * the most frequent ones, and V8's serializer takes a quarter of a synchronous call for them.
 */
const FIELDS: readonly (keyof WireStat)[] = [
  'dev',
  'ino',
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'size',
  'blksize',
  'blocks',
  'atimeNs',
  'mtimeNs',
  'ctimeNs',
  'birthtimeNs',
];
export const PACKED_STAT_BYTES = FIELDS.length * 8;

/** Writes it to the start of `payload`. False = it is something else, and nothing that counts was written. */
export function packStat(result: unknown, payload: Buffer): boolean {
  if (typeof result !== 'object' || result === null || Object.keys(result).length !== 1) return false;
  const { stat } = result as { stat?: Record<string, unknown> };
  if (typeof stat !== 'object' || stat === null || Object.keys(stat).length !== FIELDS.length) return false;
  const numbers = view(payload);
  for (const [index, field] of FIELDS.entries()) {
    const value = stat[field];
    if (typeof value !== 'bigint') return false;
    numbers[index] = value;
    // Beyond 64 bits it would come out as another number.
    if (numbers[index] !== value) return false;
  }
  return true;
}

export function unpackStat(payload: Buffer): { stat: WireStat } {
  const numbers = view(payload);
  return {
    stat: {
      dev: numbers[0]!,
      ino: numbers[1]!,
      mode: numbers[2]!,
      nlink: numbers[3]!,
      uid: numbers[4]!,
      gid: numbers[5]!,
      rdev: numbers[6]!,
      size: numbers[7]!,
      blksize: numbers[8]!,
      blocks: numbers[9]!,
      atimeNs: numbers[10]!,
      mtimeNs: numbers[11]!,
      ctimeNs: numbers[12]!,
      birthtimeNs: numbers[13]!,
    },
  };
}

/** Signed: times before 1970 are negative. Device and inode numbers of the upper half would not come back as they were. */
function view(payload: Buffer): BigInt64Array {
  return new BigInt64Array(payload.buffer, payload.byteOffset, FIELDS.length);
}
