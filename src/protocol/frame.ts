/** One frame: a header of 12 bytes, big endian, then the payload. See README.md for the table. */
export const HEADER_BYTES = 12;
export const FRAME_VERSION = 1;

export const FrameType = {
  HELLO: 1,
  OPEN: 2,
  ACCEPT: 3,
  DATA: 4,
  WINDOW: 5,
  RESET: 6,
  CALL: 7,
  REPLY: 8,
  CANCEL: 9,
  EVENT: 10,
  PING: 11,
  PONG: 12,
  ACK: 13,
  GOAWAY: 14,
} as const;

/** On DATA: the sender's direction ends after these bytes. */
export const FLAG_FIN = 1;
/** On REPLY: the answer follows as a stream; the payload says which and how long. */
export const FLAG_STREAM = 1;

export interface Frame {
  type: number;
  flags: number;
  id: number;
  payload: Uint8Array;
}

/** A frame on its way out: header and payload parts, unjoined so that file and socket bytes are never copied. */
export interface OutboundFrame {
  type: number;
  buffers: Uint8Array[];
  /** Header and payload. */
  bytes: number;
}

/** Frames that are counted, kept and sent again after a resume: all but these four. Unknown types are counted. */
export function isSequenced(type: number): boolean {
  return type !== FrameType.HELLO && type !== FrameType.PING && type !== FrameType.PONG && type !== FrameType.ACK;
}

export function makeFrame(type: number, flags: number, id: number, parts: readonly Uint8Array[] = []): OutboundFrame {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header[0] = FRAME_VERSION;
  header[1] = type;
  header.writeUInt16BE(flags, 2);
  header.writeUInt32BE(id, 4);
  header.writeUInt32BE(length, 8);
  return { type, buffers: [header, ...parts], bytes: HEADER_BYTES + length };
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}

export function u32(...values: number[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, 4 * index);
  });
  return bytes;
}

/** Counts stay far below 2^53, so a number is enough for what travels as u64. */
export function u64(value: number): Uint8Array {
  return u32(Math.floor(value / 2 ** 32), value % 2 ** 32);
}

export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * 2 ** 32 + readU32(bytes, offset + 4);
}
