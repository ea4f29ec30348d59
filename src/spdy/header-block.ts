import { constants, inflateRawSync } from 'node:zlib';
import { DICTIONARY } from './dictionary';

export type Headers = Record<string, string>;

// Deflate looks back no further than this.
const WINDOW = 32 * 1024;
const MAX_BLOCK = 64 * 1024;
const FDICT = 0x20;
// RFC 1950 header without a dictionary; a stored block is legal wherever compression is.
const ZLIB_HEADER = Buffer.from([0x78, 0x01]);
// An empty stored block is what a sync flush looks like. Go's reader hands out a block only when it sees one.
const SYNC_FLUSH = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);
const MAX_STORED = 0xffff;

/**
 * Reads the header blocks of one direction. They form one zlib stream that is flushed after each block, and Node can
 * inflate no single piece of a stream synchronously. But a piece is a whole deflate stream when it is given what came
 * before as its dictionary.
 */
export class HeaderReader {
  #window: Buffer = DICTIONARY;
  #isFirst = true;

  /** Throws RangeError for a block that is damaged or unpacks to more than 64 KiB. */
  read(block: Buffer): Headers {
    const plain = this.#inflate(this.#isFirst ? withoutZlibHeader(block) : block);
    this.#isFirst = false;
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW);
    return parseHeaders(plain);
  }

  #inflate(block: Buffer): Buffer {
    try {
      return inflateRawSync(block, {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: MAX_BLOCK,
      });
    } catch (cause) {
      throw new RangeError('a SPDY header block cannot be decompressed', { cause });
    }
  }
}

function withoutZlibHeader(block: Buffer): Buffer {
  if (block.length < 2) throw new RangeError('the first SPDY header block is too short');
  return block.subarray(block[1]! & FDICT ? 6 : 2);
}

/** Writes the header blocks of one direction, stored and not compressed: they are short, and it needs no state. */
export class HeaderWriter {
  #isFirst = true;

  write(headers: Headers): Buffer {
    const plain = formatHeaders(headers);
    if (plain.length > MAX_STORED)
      throw new RangeError(`SPDY headers take ${plain.length} bytes, more than ${MAX_STORED}`);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(~plain.length & 0xffff, 3);
    const parts = [stored, plain, SYNC_FLUSH];
    if (this.#isFirst) parts.unshift(ZLIB_HEADER);
    this.#isFirst = false;
    return Buffer.concat(parts);
  }
}

function parseHeaders(plain: Buffer): Headers {
  const headers: Headers = Object.create(null);
  let offset = 0;
  const number = (): number => {
    if (offset + 4 > plain.length) throw new RangeError('a SPDY header block is cut short');
    offset += 4;
    return plain.readUInt32BE(offset - 4);
  };
  const text = (): string => {
    const length = number();
    if (offset + length > plain.length) throw new RangeError('a SPDY header block is cut short');
    offset += length;
    return plain.toString('latin1', offset - length, offset);
  };
  for (let count = number(); count > 0; count--) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

function formatHeaders(headers: Headers): Buffer {
  const entries = Object.entries(headers);
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string): Buffer[] => [number(Buffer.byteLength(value, 'latin1')), Buffer.from(value, 'latin1')];
  // Names must be lower case on the wire: Go's reader refuses others.
  const pairs = entries.flatMap(([name, value]) => [...text(name.toLowerCase()), ...text(value)]);
  return Buffer.concat([number(entries.length), ...pairs]);
}
