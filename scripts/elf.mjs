// What a Linux program says it needs. Read from the file itself, so that programs of another architecture can be asked too.

const LOAD = 1;
const DYNAMIC = 2;
const INTERPRETER = 3;
const NEEDED = 1n;
const STRINGS = 5n;
const RPATH = 15n;
const RUNPATH = 29n;

/** What such a file says it is for. */
export const MACHINES = { amd64: 62, arm64: 183 };

/**
 * @param {Buffer} bytes
 * @returns {{machine: number, interpreter: string|undefined, needed: string[], paths: string[]}|undefined} undefined for what is no 64-bit
 *   little-endian ELF file, such as a script; paths: folders the file itself names, with $ORIGIN
 */
export function readElf(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const machine = bytes.readUInt16LE(18);
  const at = Number(bytes.readBigUInt64LE(32));
  const [size, count] = [bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const segments = Array.from({ length: count }, (_, index) => {
    const from = at + index * size;
    const long = (offset) => Number(bytes.readBigUInt64LE(from + offset));
    return { type: bytes.readUInt32LE(from), offset: long(8), address: long(16), length: long(32) };
  });
  const of = (type) => segments.find((segment) => segment.type === type);
  const textAt = (from) => bytes.toString('latin1', from, bytes.indexOf(0, from));
  const interpreter = of(INTERPRETER) && textAt(of(INTERPRETER).offset);
  const dynamic = of(DYNAMIC);
  if (!dynamic) return { machine, interpreter, needed: [], paths: [] };
  const entries = [];
  for (let from = dynamic.offset; from < dynamic.offset + dynamic.length; from += 16) {
    entries.push([bytes.readBigUInt64LE(from), Number(bytes.readBigUInt64LE(from + 8))]);
  }
  const address = entries.find(([tag]) => tag === STRINGS)?.[1] ?? 0;
  const home = segments.find((s) => s.type === LOAD && address >= s.address && address < s.address + s.length);
  const strings = home ? address - home.address + home.offset : address;
  const texts = (...tags) => entries.filter(([tag]) => tags.includes(tag)).map(([, value]) => textAt(strings + value));
  const paths = texts(RPATH, RUNPATH).flatMap((text) => text.split(':'));
  return { machine, interpreter, needed: texts(NEEDED), paths };
}
