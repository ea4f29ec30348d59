import { HpackError } from './error';

/**
 * Bits of the code of each octet and, last, of the end mark: RFC 7541 appendix B. Codes of one length follow each other in the order of their
 * octets, and shorter ones come first, so the lengths tell them all.
 */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];
const END_MARK = 256;
const MAX_PADDING_BITS = 7;

/** Two numbers a node, for the bits 0 and 1: the next node, or `-1 - octet` of a code that ends here. */
const tree = buildTree();

function buildTree(): Int16Array {
  const nodes = new Int16Array(2 * END_MARK);
  let made = 1;
  let code = 0;
  let previous = 0;
  const octets = LENGTHS.map((length, octet) => ({ length, octet }));
  for (const { length, octet } of octets.sort((a, b) => a.length - b.length || a.octet - b.octet)) {
    code <<= length - previous;
    previous = length;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const at = 2 * node + ((code >> bit) & 1);
      if (bit === 0) nodes[at] = -1 - octet;
      else if (nodes[at] === 0) nodes[at] = made++;
      node = nodes[at]!;
    }
    code += 1;
  }
  return nodes;
}

/** The shortest code has 5 bits. */
const GROWTH = 8 / 5;
let scratch: Buffer = Buffer.alloc(4 * 1024);

/** Gives latin1 characters. Throws HpackError for an end mark and for padding other than up to seven ones. */
export function decodeHuffman(bytes: Buffer, from: number, to: number): string {
  const most = Math.ceil((to - from) * GROWTH);
  if (scratch.length < most) scratch = Buffer.alloc(most);
  let length = 0;
  let node = 0;
  let bits = 0;
  let ones = true;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    for (let shift = 7; shift >= 0; shift--) {
      const bit = (byte >> shift) & 1;
      const next = tree[2 * node + bit]!;
      bits += 1;
      ones &&= bit === 1;
      if (next >= 0) {
        node = next;
        continue;
      }
      const octet = -1 - next;
      if (octet === END_MARK) throw new HpackError('a text with an end mark in it');
      scratch[length++] = octet;
      node = 0;
      bits = 0;
      ones = true;
    }
  }
  if (bits > MAX_PADDING_BITS || !ones) throw new HpackError('a text with wrong padding');
  const text = scratch.toString('latin1', 0, length);
  if (scratch.length > MAX_KEPT) scratch = Buffer.alloc(MAX_KEPT);
  return text;
}

const MAX_KEPT = 64 * 1024;
