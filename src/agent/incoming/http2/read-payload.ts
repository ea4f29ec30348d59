import { CODE, FLAG, FrameError, HEAD_BYTES, TYPE, type Unit } from './frame';

const PRIORITY_BYTES = 5;

/** What a DATA frame carries, its padding left out. Throws FrameError. */
export function dataOf({ flags, length, bytes }: Unit): Buffer {
  const [from, to] = withoutPadding(bytes, flags, length);
  return bytes.subarray(from, to);
}

/** The header block of HEADERS with what continues it; padding and priority left out. Throws FrameError. */
export function blockOf({ flags, length, bytes }: Unit): Buffer {
  let [from, to] = withoutPadding(bytes, flags, length);
  if (flags & FLAG.priority) from += PRIORITY_BYTES;
  if (from > to) throw new FrameError('a header frame that is too short', CODE.frameSize);
  const parts = [bytes.subarray(from, to)];
  for (let at = HEAD_BYTES + length; at < bytes.length; ) {
    const size = bytes.readUIntBE(at, 3);
    at += HEAD_BYTES;
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function withoutPadding(bytes: Buffer, flags: number, length: number): [from: number, to: number] {
  const end = HEAD_BYTES + length;
  if (!(flags & FLAG.padded)) return [HEAD_BYTES, end];
  const padding = length === 0 ? end : bytes[HEAD_BYTES]!;
  if (HEAD_BYTES + 1 + padding > end) throw new FrameError('more padding than frame');
  return [HEAD_BYTES + 1, end - padding];
}

/** The one number that RST_STREAM and WINDOW_UPDATE carry. Throws FrameError. */
export function numberOf({ type, length, bytes }: Unit): number {
  if (length !== 4) throw new FrameError('a frame of a wrong length', CODE.frameSize);
  const number = bytes.readUInt32BE(HEAD_BYTES);
  return type === TYPE.windowUpdate ? number & 0x7fffffff : number;
}

/** Calls for each setting; what it gives back is written in its place, in the frame as it came. Throws FrameError. */
export function readSettings({ length, bytes }: Unit, read: (id: number, value: number) => number): void {
  if (length % 6 !== 0) throw new FrameError('settings of a wrong length', CODE.frameSize);
  for (let at = HEAD_BYTES; at < bytes.length; at += 6) {
    const value = bytes.readUInt32BE(at + 2);
    const changed = read(bytes.readUInt16BE(at), value);
    if (changed !== value) bytes.writeUInt32BE(changed, at + 2);
  }
}
