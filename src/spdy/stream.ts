import { Duplex } from 'node:stream';
import type { Headers } from './header-block';

/** What a stream needs of its connection. */
export interface StreamOwner {
  sendData(streamId: number, chunk: Buffer, isEnd: boolean, callback: (error?: Error | null) => void): void;
  sendReset(streamId: number): void;
  /** The stream's reader is slow: nothing more is taken from the connection until `unblock`. */
  block(stream: SpdyStream): void;
  unblock(stream: SpdyStream): void;
  forget(streamId: number): void;
}

const EMPTY = Buffer.alloc(0);

/** One stream of a connection: both directions end on their own, and `destroy` resets it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  readonly #owner: StreamOwner;
  #isReceiving = true;
  #isSending = true;

  constructor(owner: StreamOwner, id: number, headers: Headers) {
    super({ allowHalfOpen: true, highWaterMark: 256 * 1024 });
    this.#owner = owner;
    this.id = id;
    this.headers = headers;
  }

  /** Called by the connection with data from the peer. */
  receive(chunk: Buffer, isEnd: boolean): void {
    if (this.destroyed || !this.#isReceiving) return;
    if (chunk.length > 0 && !this.push(chunk)) this.#owner.block(this);
    if (isEnd) {
      this.#isReceiving = false;
      this.push(null);
    }
  }

  /** Called by the connection when the peer has reset the stream, or is gone. */
  abort(error: Error): void {
    this.#isSending = false;
    this.#isReceiving = false;
    this.destroy(error);
  }

  override _read(): void {
    this.#owner.unblock(this);
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#owner.sendData(this.id, chunk, false, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#isSending = false;
    this.#owner.sendData(this.id, EMPTY, true, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#isSending || this.#isReceiving) this.#owner.sendReset(this.id);
    this.#isSending = false;
    this.#isReceiving = false;
    this.#owner.unblock(this);
    this.#owner.forget(this.id);
    callback(error);
  }
}
