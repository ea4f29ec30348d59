import { Encoder } from 'cbor-x/index-no-eval';
import { readU32, u32 } from './frame';
import { ProtocolError } from './goaway';

/**
 * CBOR of everything that is not bytes. Without record structures, which would be state of one connection and would not
 * survive a resume. A bigint travels as a 64-bit integer and comes back as a bigint, whatever its size; a number never does.
 */
const cbor = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });

export function encode(value: unknown): Uint8Array {
  return cbor.encode(value);
}

/** @throws ProtocolError when the bytes are no CBOR */
export function decode(bytes: Uint8Array): unknown {
  try {
    return cbor.decode(bytes as Buffer);
  } catch (error) {
    throw new ProtocolError(`malformed CBOR: ${(error as Error).message}`);
  }
}

/** Like `decode`, for payloads that are an object with names. */
export function decodeObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  const value = decode(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

/** `u32 cborLength | cbor | raw`: bytes of files never pass through the encoder. */
export function encodeWithRaw(value: unknown, raw?: Uint8Array): Uint8Array[] {
  const body = encode(value);
  const parts = [u32(body.byteLength), body];
  if (raw && raw.byteLength > 0) parts.push(raw);
  return parts;
}

export function decodeWithRaw(payload: Uint8Array, what: string): { value: Record<string, unknown>; raw: Uint8Array } {
  const length = payload.byteLength < 4 ? Number.POSITIVE_INFINITY : readU32(payload, 0);
  if (length > payload.byteLength - 4) throw new ProtocolError(`${what} is shorter than it says`);
  return { value: decodeObject(payload.subarray(4, 4 + length), what), raw: payload.subarray(4 + length) };
}
