import { Duplex } from 'node:stream';
import type { MuxStream } from '../../protocol/session-types';

const HIGH_WATER = 64 * 1024;

/** A stream of the link as Node's own libraries take it: back-pressure, half-close and reset both ways. */
export class StreamDuplex extends Duplex {
  readonly #stream: MuxStream;
  #written: (() => void) | undefined;
  #closed = false;
  /** Read from the link, and not yet by whoever reads this. */
  #owed = 0;

  constructor(stream: MuxStream) {
    super({ allowHalfOpen: true, readableHighWaterMark: HIGH_WATER });
    this.#stream = stream;
    // One that fails before somebody has taken it, or that nobody takes any more, must find a listener: it would end the agent.
    this.on('error', () => {});
    stream.onDrain = () => this.#continue();
    stream.onEnd = () => this.push(null);
    stream.onReset = ({ code, message, sessionOver }) =>
      this.destroy(Object.assign(new Error(message ?? code), { code, sessionOver }));
    stream.onClose = () => {
      this.#closed = true;
      this.#continue();
    };
    // Credit goes back as the bytes are read: a reader that stops costs one window.
    stream.onData = (chunk) => {
      if (this.push(chunk)) stream.consumed(chunk.byteLength);
      else this.#owed += chunk.byteLength;
    };
  }

  override _read(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.#stream.consumed(owed);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#stream.write(chunk) || this.#closed) done();
    else this.#written = done;
  }

  override _final(done: () => void): void {
    this.#stream.end();
    done();
  }

  override _destroy(error: (Error & { code?: string }) | null, done: (error?: Error | null) => void): void {
    if (!this.#closed) this.#stream.reset(error?.code ?? 'ECONNRESET', error?.message);
    done(error);
  }

  #continue(): void {
    const done = this.#written;
    this.#written = undefined;
    done?.();
  }
}

/** Whether a connection to a client was cut because the client is gone, not because its application did so. */
export function isSessionOver(error: unknown): boolean {
  return (error as { sessionOver?: boolean } | undefined)?.sessionOver === true;
}
