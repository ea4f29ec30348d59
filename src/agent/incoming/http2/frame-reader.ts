import { CODE, FLAG, FrameError, HEAD_BYTES, TYPE, type Unit } from './frame';

const EMPTY: Buffer = Buffer.alloc(0);
export const DEFAULT_MAX_FRAME = 16_384;

/**
 * Cuts the bytes of one direction into frames, a header block with its continuations being one. Frames that are passed as they came leave
 * together, as the run of memory in which they arrived.
 */
export class FrameReader {
  /** Of the frames that the peer may send. */
  maxFrame = DEFAULT_MAX_FRAME;
  readonly #maxBlock: number;
  readonly #replace: (unit: Unit) => Buffer | undefined;
  readonly #pass: (bytes: Buffer) => void;
  #prefix: number;
  /** A unit that is not whole: the first `#size` bytes of this memory. */
  #held: Buffer = EMPTY;
  #size = 0;
  /** Where in the unit the frame begins that is not whole, and up to where the unit has to come for something to be told. */
  #frameAt = 0;
  #wanted = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  #length = 0;

  /**
   * @param prefix Bytes in front of the first frame, which are passed as they are.
   * @param maxBlock Of a header block with all its frames.
   * @param replace What is passed on in place of a unit: mostly its own bytes, or nothing. May throw.
   */
  constructor(
    prefix: number,
    maxBlock: number,
    replace: (unit: Unit) => Buffer | undefined,
    pass: (bytes: Buffer) => void,
  ) {
    this.#prefix = prefix;
    this.#maxBlock = maxBlock;
    this.#replace = replace;
    this.#pass = pass;
  }

  /** What has come and is not done with: a unit that is not whole, or, once `read` has thrown, all from the one it threw for. */
  get rest(): Buffer {
    return this.#held.subarray(0, this.#size);
  }

  /** Throws FrameError, or what `replace` does. All in front of that was passed. */
  read(chunk: Buffer): void {
    let at = 0;
    if (this.#prefix > 0) {
      at = Math.min(this.#prefix, chunk.length);
      this.#prefix -= at;
      this.#pass(chunk.subarray(0, at));
    }
    while (this.#size > 0 && at < chunk.length) at = this.#complete(chunk, at);
    if (this.#size > 0) return;
    let passed = at;
    try {
      for (let end = this.#measure(chunk, at); end > 0; end = this.#measure(chunk, at)) {
        const bytes = chunk.subarray(at, end);
        const replaced = this.#replace(this.#unitOf(bytes));
        if (replaced !== bytes) {
          if (at > passed) this.#pass(chunk.subarray(passed, at));
          if (replaced) this.#pass(replaced);
          passed = end;
        }
        at = end;
      }
    } finally {
      if (at > passed) this.#pass(chunk.subarray(passed, at));
      this.#held = at < chunk.length ? chunk.subarray(at) : EMPTY;
      this.#size = this.#held.length;
    }
  }

  /** Adds to what is held, up to the end of its unit at most; gives where in the chunk that was. */
  #complete(chunk: Buffer, from: number): number {
    const to = Math.min(chunk.length, from + this.#wanted - this.#size);
    const size = this.#size + to - from;
    if (size > this.#held.length) {
      // Memory that was passed on is never written to again, and a unit that comes byte by byte is not moved each time.
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#wanted, 2 * this.#size));
      this.#held.copy(grown, 0, 0, this.#size);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#size, from, to);
    this.#size = size;
    if (size < this.#wanted) return to;
    let end = 0;
    try {
      end = this.#measure(this.rest, 0);
      if (end === 0) return to;
      const bytes = this.rest;
      const replaced = this.#replace(this.#unitOf(bytes));
      this.#held = EMPTY;
      this.#size = 0;
      if (replaced) this.#pass(replaced);
      return to;
    } catch (error) {
      this.#held = Buffer.concat([this.rest, chunk.subarray(to)]);
      this.#size = this.#held.length;
      throw error;
    }
  }

  #unitOf(bytes: Buffer): Unit {
    return { type: this.#type, flags: this.#flags, stream: this.#stream, length: this.#length, bytes };
  }

  /** Where the unit ends that begins there; 0 = it is not whole. Throws FrameError. */
  #measure(bytes: Buffer, from: number): number {
    let at = from + this.#frameAt;
    for (;;) {
      if (at + HEAD_BYTES > bytes.length) return this.#wait(at - from, HEAD_BYTES);
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      if (length > this.maxFrame) throw new FrameError('a frame that is too long', CODE.frameSize);
      const isFirst = at === from;
      if (isFirst === (type === TYPE.continuation)) throw new FrameError('a header block within another frame');
      if (!isFirst && stream !== this.#stream) throw new FrameError('a header block of two streams');
      if (isFirst) {
        this.#type = type;
        this.#flags = flags;
        this.#stream = stream;
        this.#length = length;
      }
      const isBlock = type === TYPE.headers || type === TYPE.pushPromise || type === TYPE.continuation;
      const end = at + HEAD_BYTES + length;
      if (isBlock && end - from > this.#maxBlock)
        throw new FrameError('a header block that is too long', CODE.calmDown);
      if (end > bytes.length) return this.#wait(at - from, HEAD_BYTES + length);
      if (!isBlock || flags & FLAG.endHeaders) {
        this.#frameAt = 0;
        return end;
      }
      at = end;
    }
  }

  #wait(frameAt: number, more: number): 0 {
    this.#frameAt = frameAt;
    this.#wanted = frameAt + more;
    return 0;
  }
}
