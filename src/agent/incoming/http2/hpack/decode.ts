import { HpackError } from './error';
import type { Field } from './field';
import { decodeHuffman } from './huffman';
import { HpackTable } from './table';

/** More than any length that stands in a block of ours. */
const MAX_INTEGER = 2 ** 28;

/** Reads the header blocks of one direction of a connection, which have to come all and in order. */
export class HpackDecoder {
  readonly #table = new HpackTable();
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** What the encoder's table may hold, in octets as RFC 7541 counts them. */
  set limit(size: number) {
    this.#table.limit = size;
  }

  /** Throws HpackError; then nothing that follows can be read. Fields of a table are the same objects each time. */
  decode(block: Buffer): Field[] {
    this.#block = block;
    this.#at = 0;
    const fields: Field[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if (first >= 0x80) fields.push(this.#table.at(this.#integer(7)));
      else if (first >= 0x40) {
        const field = this.#literal(6, false);
        this.#table.add(field);
        fields.push(field);
      } else if (first >= 0x20) {
        if (fields.length > 0) throw new HpackError('a size of the table behind a header');
        this.#table.resize(this.#integer(5));
      } else fields.push(this.#literal(4, first >= 0x10));
    }
    return fields;
  }

  #literal(prefix: number, never: boolean): Field {
    const index = this.#integer(prefix);
    const name = index > 0 ? this.#table.at(index).name : this.#text();
    return { name, value: this.#text(), never };
  }

  #text(): string {
    const isHuffman = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(7);
    const from = this.#at;
    const to = from + length;
    if (to > this.#block.length) throw new HpackError('a text that is longer than its block');
    this.#at = to;
    return isHuffman ? decodeHuffman(this.#block, from, to) : this.#block.toString('latin1', from, to);
  }

  #integer(prefix: number): number {
    const block = this.#block;
    if (this.#at >= block.length) throw new HpackError('a block that ends within a header');
    const most = (1 << prefix) - 1;
    let value = block[this.#at++]! & most;
    if (value < most) return value;
    for (let factor = 1; ; factor *= 128) {
      if (this.#at >= block.length) throw new HpackError('a block that ends within a number');
      const byte = block[this.#at++]!;
      value += (byte & 0x7f) * factor;
      // Zeros in front of nothing could go on for ever.
      if (value > MAX_INTEGER || factor > MAX_INTEGER) throw new HpackError('a number that is too large');
      if (byte < 0x80) return value;
    }
  }
}
