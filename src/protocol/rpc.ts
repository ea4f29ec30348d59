import { MirrordError } from '../errors';
import { encodeWithRaw } from './codec';
import { MAX_FRAME_PAYLOAD } from './limits';

/** Bytes of an answer that are made while they are sent, such as a file that is read piece by piece. */
export interface ByteSource {
  /** Exactly as many as `chunks` will give; fewer or more end the call with an error. */
  length: number;
  chunks: AsyncIterable<Uint8Array>;
}

export interface HandlerAnswer {
  result: unknown;
  raw?: Uint8Array | ByteSource;
}

/**
 * Answers the calls of the other end. What it throws crosses the wire as a WireError. `signal` aborts when the caller gave
 * up or the session is over; the answer is then thrown away.
 */
export type CallHandler = (
  method: string,
  params: unknown,
  raw: Uint8Array,
  signal: AbortSignal,
) => Promise<HandlerAnswer>;

/** @throws MirrordError CALL_TOO_LARGE when it does not fit one frame, CALL_INVALID when it cannot be encoded */
export function encodeCall(method: string, params: unknown, raw?: Uint8Array): Uint8Array[] {
  let parts: Uint8Array[];
  try {
    parts = encodeWithRaw({ method, params }, raw);
  } catch (cause) {
    throw new MirrordError('CALL_INVALID', `the parameters of ${method} cannot be sent`, { cause });
  }
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  if (bytes > MAX_FRAME_PAYLOAD) {
    throw new MirrordError(
      'CALL_TOO_LARGE',
      `a call of ${method} with ${bytes} bytes is over the limit of ${MAX_FRAME_PAYLOAD}`,
      { hint: 'Send less at a time.' },
    );
  }
  return parts;
}
