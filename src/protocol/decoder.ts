import { FRAME_VERSION, type Frame, HEADER_BYTES, readU32 } from './frame';
import { ProtocolError } from './goaway';
import { MAX_FRAME_PAYLOAD } from './limits';

const EMPTY = new Uint8Array(0);

/**
 * Cuts a byte stream into frames, whatever the chunks are. A payload that lies within one chunk is a view of it; one that
 * spans chunks is copied once into a buffer of its own size.
 *
 * `push` a chunk, then take `next` until it answers undefined.
 */
export class FrameDecoder {
  #chunk: Uint8Array = EMPTY;
  #offset = 0;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerFilled = 0;
  /** A payload that spans chunks. */
  #payload: Uint8Array | undefined;
  #payloadFilled = 0;
  readonly #maxPayload: number;

  constructor(maxPayload = MAX_FRAME_PAYLOAD) {
    this.#maxPayload = maxPayload;
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /** What was pushed and not yet looked at. Only whole when the last `next` gave a frame. */
  rest(): Uint8Array {
    return this.#chunk.subarray(this.#offset);
  }

  /** @throws ProtocolError on a wrong version byte or a length over the limit */
  next(): Frame | undefined {
    if (!this.#payload && !this.#readHeader()) return undefined;
    const payload = this.#readPayload();
    if (!payload) return undefined;
    const header = this.#header;
    this.#headerFilled = 0;
    this.#payload = undefined;
    return { type: header[1]!, flags: (header[2]! << 8) | header[3]!, id: readU32(header, 4), payload };
  }

  #readHeader(): boolean {
    while (this.#headerFilled < HEADER_BYTES) {
      if (this.#offset === this.#chunk.byteLength) return false;
      this.#header[this.#headerFilled++] = this.#chunk[this.#offset++]!;
      // Looked at as soon as it is here: a stranger that speaks another protocol need not send twelve bytes.
      if (this.#headerFilled === 1 && this.#header[0] !== FRAME_VERSION) {
        throw new ProtocolError(`frame version ${this.#header[0]}, expected ${FRAME_VERSION}`);
      }
    }
    const length = readU32(this.#header, 8);
    if (length > this.#maxPayload) {
      throw new ProtocolError(
        `frame of type ${this.#header[1]} with ${length} bytes, the limit is ${this.#maxPayload}`,
      );
    }
    return true;
  }

  #readPayload(): Uint8Array | undefined {
    const length = readU32(this.#header, 8);
    const available = this.#chunk.byteLength - this.#offset;
    if (!this.#payload) {
      if (available >= length) {
        const view = this.#chunk.subarray(this.#offset, this.#offset + length);
        this.#offset += length;
        return view;
      }
      // Wait for the first byte of it, so that headers alone make nobody reserve memory.
      if (available === 0) return undefined;
      this.#payload = Buffer.allocUnsafeSlow(length);
      this.#payloadFilled = 0;
    }
    const taken = Math.min(available, length - this.#payloadFilled);
    this.#payload.set(this.#chunk.subarray(this.#offset, this.#offset + taken), this.#payloadFilled);
    this.#payloadFilled += taken;
    this.#offset += taken;
    return this.#payloadFilled === length ? this.#payload : undefined;
  }
}
