import { type Field, sizeOf } from './field';
import { staticField, staticName } from './static-table';

/** Above what an index and the lengths of two texts take. */
const OVERHEAD = 16;
const WITHOUT_INDEXING = 0x00;
const NEVER_INDEXED = 0x10;

/**
 * A header block that leaves the reader's table as it is, so that it fits among the blocks of somebody else.
 *
 * @param tableSize A size of the table to be said first, which the reader waits for when it has allowed less than before.
 */
export function encodeFields(fields: Field[], tableSize?: number): Buffer {
  const parts = fields.map(literalOf);
  if (tableSize !== undefined) parts.unshift(encodeTableSize(tableSize));
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** Headers that stand in a table come again and again: each is written once. */
function literalOf(field: Field): Buffer {
  field.literal ??= encodeField(field);
  return field.literal;
}

function encodeField(field: Field): Buffer {
  const { name, value, never } = field;
  const known = never ? 0 : staticField(field);
  if (known > 0) return Buffer.from([0x80 | known]);
  const bytes = Buffer.allocUnsafe(sizeOf(field) + OVERHEAD);
  const nameIndex = staticName(name);
  let at = putInteger(bytes, 0, never ? NEVER_INDEXED : WITHOUT_INDEXING, 4, nameIndex);
  if (nameIndex === 0) at = putText(bytes, at, name);
  return bytes.subarray(0, putText(bytes, at, value));
}

function encodeTableSize(size: number): Buffer {
  const bytes = Buffer.alloc(OVERHEAD);
  return bytes.subarray(0, putInteger(bytes, 0, 0x20, 5, size));
}

function putText(bytes: Buffer, at: number, text: string): number {
  const from = putInteger(bytes, at, 0, 7, text.length);
  return from + bytes.write(text, from, 'latin1');
}

function putInteger(bytes: Buffer, at: number, pattern: number, prefix: number, value: number): number {
  const most = (1 << prefix) - 1;
  if (value < most) {
    bytes[at] = pattern | value;
    return at + 1;
  }
  bytes[at++] = pattern | most;
  for (value -= most; value >= 128; value = Math.floor(value / 128)) bytes[at++] = (value % 128) | 128;
  bytes[at] = value;
  return at + 1;
}
