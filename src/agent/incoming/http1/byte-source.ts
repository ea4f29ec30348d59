import type { Duplex } from 'node:stream';

const EMPTY: Buffer = Buffer.alloc(0);

/** Reads a connection on demand, so that nothing is read that nobody has room for. */
export class ByteSource {
  readonly #stream: Duplex;
  #buffered: Buffer = EMPTY;
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => {};
  #isWaiting = false;
  /** Sees all bytes as they arrive. */
  onBytes: ((bytes: Buffer) => void) | undefined;
  /** The other end has ended, and all it sent was read. */
  onEnd: () => void = () => {};
  /** The connection is closed, whole or cut. */
  onClose: () => void = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream
      .on('readable', this.#onReadable)
      .on('end', this.#onEnd)
      .on('close', this.#onClose)
      .on('error', this.#onError);
    if (stream.readableEnded) this.#ended = true;
    if (stream.destroyed) this.#error = new Error('the connection is closed');
  }

  get buffered(): Buffer {
    return this.#buffered;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for bytes behind those that are buffered; false = there are no more. Rejects when the connection was cut. */
  async more(): Promise<boolean> {
    for (;;) {
      const chunk = this.#stream.read() as Buffer | null;
      if (chunk) {
        this.onBytes?.(chunk);
        this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
        return true;
      }
      if (this.#ended) return false;
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#isWaiting = true;
        this.#wake = resolve;
      });
      this.#isWaiting = false;
    }
  }

  take(length: number): Buffer {
    const taken = this.#buffered.subarray(0, length);
    this.#buffered = length >= this.#buffered.length ? EMPTY : this.#buffered.subarray(length);
    return taken;
  }

  /** Lets go of the connection; gives what was read and not taken. */
  release(): Buffer {
    const { stream, rest } = { stream: this.#stream, rest: this.#buffered };
    stream.off('readable', this.#onReadable).off('end', this.#onEnd).off('close', this.#onClose);
    this.#buffered = EMPTY;
    return rest;
  }

  readonly #onReadable = (): void => {
    // With nothing buffered, only a read tells that the end has come.
    if (!this.#isWaiting && this.#stream.readableLength === 0) this.#stream.read();
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
    this.onEnd();
  };

  readonly #onError = (error: Error): void => {
    this.#error ??= error;
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#error ??= Object.assign(new Error('the connection was cut'), { code: 'ECONNRESET' });
    this.#wake();
    this.onClose();
  };
}

/** Resolves when the stream takes more; at once when it does, or is gone. */
export function send(stream: Duplex, bytes: Buffer): Promise<void> | undefined {
  if (bytes.length === 0 || stream.destroyed || stream.writableEnded || stream.write(bytes)) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}
