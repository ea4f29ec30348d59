// Tar archives that come out the same, byte for byte, whenever and by whomever they are made.

const BLOCK = 512;

/** @param {{path: string, type?: 'file'|'folder'|'link', mode?: number, content?: Uint8Array, target?: string}[]} entries */
export function writeTar(entries) {
  const parts = [];
  for (const {
    path,
    type = 'file',
    mode = type === 'file' ? 0o644 : 0o755,
    content = Buffer.alloc(0),
    target = '',
  } of entries) {
    const size = type === 'file' ? content.length : 0;
    parts.push(header({ path: type === 'folder' ? `${path}/` : path, type, mode, size, target }));
    if (size > 0) parts.push(content, Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header({ path, type, mode, size, target }) {
  const block = Buffer.alloc(BLOCK);
  const [prefix, name] = splitPath(path);
  block.write(name, 0, 100);
  const octal = (value, at, length) => block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write({ file: '0', link: '2', folder: '5' }[type], 156);
  block.write(target, 157, 100);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345, 155);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}

/** A path longer than its field is split at a slash, as ustar has it. */
function splitPath(path) {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return [prefix, name];
  }
  throw new Error(`the path is too long for a tar archive: ${path}`);
}

/** Path to content of every plain file; enough for archives of this kind. */
export function readTar(bytes) {
  const files = new Map();
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const text = (from, length) => bytes.toString('latin1', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8) || 0;
    const path = [text(345, 155), text(0, 100)].filter(Boolean).join('/');
    if (['0', ''].includes(text(156, 1)))
      files.set(path.replace(/^\.\//, ''), bytes.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
