import type { Duplex } from 'node:stream';

/** Bytes that may wait for whoever takes them; the connection is not read further until there is room again. */
const HIGH_WATER = 128 * 1024;
const EMPTY: Buffer = Buffer.alloc(0);
const NOBODY = () => {};

/** The bytes of a connection, kept until they are taken. Flows, as reading on demand costs several turns a message. */
export class ByteSource {
  readonly #stream: Duplex;
  #buffered: Buffer = EMPTY;
  #ended = false;
  #paused = false;
  #error: Error | undefined;
  #wake: (came: boolean) => void = NOBODY;
  /** Sees all bytes as they arrive. */
  onBytes: ((bytes: Buffer) => void) | undefined;
  /** The other end has ended; what it sent may not be taken yet. */
  onEnd: () => void = () => {};
  /** The connection is closed, whole or cut. */
  onClose: () => void = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onError);
    if (stream.readableEnded) this.#ended = true;
    if (stream.destroyed) this.#error = new Error('the connection is closed');
    // One that was paused by name does not flow for a listener alone.
    stream.resume();
  }

  get buffered(): Buffer {
    return this.#buffered;
  }

  /** No byte comes behind those that are buffered. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Waits for bytes behind those that are buffered; false = there are no more, or none has come by then. Rejects when the
   * connection was cut. One wait at a time.
   *
   * @param deadline As `performance.now()` tells it.
   */
  more(deadline?: number): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    if (this.#error) return Promise.reject(this.#error);
    // A message that is longer than what may wait is the reader's to limit.
    this.#resume();
    return new Promise((resolve, reject) => {
      const settle = (came: boolean) => {
        clearTimeout(timer);
        this.#wake = NOBODY;
        if (this.#error && !this.#ended) reject(this.#error);
        else resolve(came);
      };
      this.#wake = settle;
      const timer =
        deadline === undefined ? undefined : setTimeout(settle, Math.max(0, deadline - performance.now()), false);
    });
  }

  take(length: number): Buffer {
    const taken = this.#buffered.subarray(0, length);
    this.#buffered = length >= this.#buffered.length ? EMPTY : this.#buffered.subarray(length);
    if (this.#buffered.length < HIGH_WATER) this.#resume();
    return taken;
  }

  /** Lets go of the connection; gives what was read and not taken. */
  release(): Buffer {
    const { stream, rest } = { stream: this.#stream, rest: this.#buffered };
    stream.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#buffered = EMPTY;
    return rest;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#stream.resume();
  }

  readonly #onData = (bytes: Buffer): void => {
    this.onBytes?.(bytes);
    this.#buffered = this.#buffered.length === 0 ? bytes : Buffer.concat([this.#buffered, bytes]);
    if (this.#buffered.length >= HIGH_WATER) {
      this.#paused = true;
      this.#stream.pause();
    }
    this.#wake(true);
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake(false);
    this.onEnd();
  };

  readonly #onError = (error: Error): void => {
    this.#error ??= error;
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#error ??= Object.assign(new Error('the connection was cut'), { code: 'ECONNRESET' });
    this.#wake(false);
    this.onClose();
  };
}

/** Writes these in one piece. Resolves when the stream takes more; undefined when it does, or is gone. */
export function send(stream: Duplex, ...pieces: Buffer[]): Promise<void> | undefined {
  const bytes = pieces.length === 1 ? pieces[0]! : joinPieces(pieces);
  if (bytes.length === 0 || stream.destroyed || stream.writableEnded || stream.write(bytes)) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}

/** Neighbours in memory, as a head and its body mostly are, are joined without a copy. */
function joinPieces(pieces: Buffer[]): Buffer {
  return pieces.reduce((joined, piece) => {
    const touches = joined.buffer === piece.buffer && joined.byteOffset + joined.length === piece.byteOffset;
    return touches
      ? Buffer.from(joined.buffer, joined.byteOffset, joined.length + piece.length)
      : Buffer.concat([joined, piece]);
  }, EMPTY);
}
