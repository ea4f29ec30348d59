import { MirrordError } from '../errors';
import { readU32, u32 } from './frame';

/** Why a session ends, as GOAWAY carries it. */
export const GoawayCode = {
  /** The session was closed on purpose. */
  NORMAL: 0,
  /** The other end broke the rules; the text says which. */
  PROTOCOL: 1,
  UNAUTHORIZED: 2,
  /** The agent ends. */
  SHUTDOWN: 3,
  /** A resume of a session that is not (or no longer) known. */
  UNKNOWN_SESSION: 4,
  /** No protocol version that both speak. */
  VERSION: 5,
  /** No room for a further session. */
  BUSY: 6,
  /** The sender has no id left for a further stream. */
  IDS_USED: 7,
} as const;

export interface Goaway {
  code: number;
  /** Highest stream id of the receiver's own that was seen. */
  lastStream: number;
  text: string;
}

export function encodeGoaway({ code, lastStream, text }: Goaway): Uint8Array[] {
  return [u32(code, lastStream), Buffer.from(text.slice(0, 1024))];
}

export function decodeGoaway(payload: Uint8Array): Goaway {
  if (payload.byteLength < 8) return { code: GoawayCode.PROTOCOL, lastStream: 0, text: 'GOAWAY without a code' };
  return {
    code: readU32(payload, 0),
    lastStream: readU32(payload, 4),
    text: new TextDecoder().decode(payload.subarray(8)),
  };
}

/** The other end broke the rules. Ends the session with GOAWAY(protocol); never leaves the mux as an exception. */
export class ProtocolError extends MirrordError {
  constructor(message: string) {
    super('PROTOCOL_ERROR', message);
  }
}
