/** RFC 9113 section 4.1: length (24 bits), type, flags, stream; and section 6 for the types. */
export const HEAD_BYTES = 9;

export const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const CODE = {
  noError: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  calmDown: 0xb,
} as const;

export const SETTING = { tableSize: 0x1, initialWindow: 0x4, maxFrame: 0x5, maxHeaderList: 0x6 } as const;

/** Of streams, and of windows. */
export const MAX_31 = 2 ** 31 - 1;

/** One frame, or a header block with all its continuations: `bytes` as they came. */
export interface Unit {
  type: number;
  flags: number;
  stream: number;
  /** Of the first frame alone. */
  length: number;
  bytes: Buffer;
}

/** The peer breaks the rules; `code` is what RFC 9113 calls that. */
export class FrameError extends Error {
  readonly code: number;
  constructor(message: string, code: number = CODE.protocol) {
    super(message);
    this.code = code;
  }
}

export function headOf(type: number, flags: number, stream: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([headOf(type, flags, stream, payload.length), payload]);
}

const numberFrame = (type: number, stream: number, value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + 4);
  headOf(type, 0, stream, 4).copy(bytes);
  bytes.writeUInt32BE(value, HEAD_BYTES);
  return bytes;
};

export const resetFrame = (stream: number, code: number): Buffer => numberFrame(TYPE.reset, stream, code);
export const windowFrame = (stream: number, more: number): Buffer => numberFrame(TYPE.windowUpdate, stream, more);

export function goawayFrame(lastStream: number, code: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(code, 4);
  return frame(TYPE.goaway, 0, 0, payload);
}

/** A header block in as many frames as the reader's limit asks for. */
export function headerFrames(stream: number, block: Buffer, endStream: boolean, maxFrame: number): Buffer {
  const frames: Buffer[] = [];
  let at = 0;
  do {
    const part = block.subarray(at, at + maxFrame);
    const isFirst = at === 0;
    at += part.length;
    const flags = (isFirst && endStream ? FLAG.endStream : 0) | (at >= block.length ? FLAG.endHeaders : 0);
    frames.push(headOf(isFirst ? TYPE.headers : TYPE.continuation, flags, stream, part.length), part);
  } while (at < block.length);
  return Buffer.concat(frames);
}
