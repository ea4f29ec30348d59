import { FLAG_FIN, HEADER_SIZE } from './frame';

export interface FrameHandler {
  control(type: number, flags: number, payload: Buffer): void;
  /** A piece of a data frame, not copied; `isEnd` with the last piece of a frame that carries FIN. May be empty then. */
  data(streamId: number, chunk: Buffer, isEnd: boolean): void;
}

const MAX_CONTROL = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/** Splits a byte stream into frames, however it was cut. Data is passed on as it comes, without waiting for its frame. */
export class FrameParser {
  readonly #handler: FrameHandler;
  #pending: Buffer = EMPTY;
  #dataLeft = 0;
  #streamId = 0;
  #isFin = false;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Throws RangeError for what is not SPDY/3 or a control frame over 64 KiB. */
  feed(chunk: Buffer): void {
    let rest = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    this.#pending = EMPTY;
    while (rest.length > 0) {
      if (this.#dataLeft > 0) {
        rest = this.#passData(rest);
        continue;
      }
      const used = this.#takeFrame(rest);
      if (used === 0) {
        // A copy, so that a few left-over bytes do not keep a large chunk in memory.
        this.#pending = Buffer.from(rest);
        return;
      }
      rest = rest.subarray(used);
    }
  }

  /** Bytes used up: the header of a data frame, the whole of a control frame, or 0 when more is needed. */
  #takeFrame(bytes: Buffer): number {
    if (bytes.length < HEADER_SIZE) return 0;
    const length = bytes.readUInt32BE(4) & 0xffffff;
    const flags = bytes[4]!;
    if ((bytes[0]! & 0x80) === 0) {
      this.#streamId = bytes.readUInt32BE(0);
      this.#dataLeft = length;
      this.#isFin = (flags & FLAG_FIN) !== 0;
      if (length === 0) this.#handler.data(this.#streamId, EMPTY, this.#isFin);
      return HEADER_SIZE;
    }
    const version = bytes.readUInt16BE(0) & 0x7fff;
    if (version !== 3) throw new RangeError(`SPDY version ${version} is not spoken here, only 3`);
    if (length > MAX_CONTROL)
      throw new RangeError(`a SPDY control frame of ${length} bytes is more than ${MAX_CONTROL}`);
    if (bytes.length < HEADER_SIZE + length) return 0;
    this.#handler.control(bytes.readUInt16BE(2), flags, bytes.subarray(HEADER_SIZE, HEADER_SIZE + length));
    return HEADER_SIZE + length;
  }

  #passData(bytes: Buffer): Buffer {
    const chunk = bytes.subarray(0, this.#dataLeft);
    this.#dataLeft -= chunk.length;
    this.#handler.data(this.#streamId, chunk, this.#isFin && this.#dataLeft === 0);
    return bytes.subarray(chunk.length);
  }
}
