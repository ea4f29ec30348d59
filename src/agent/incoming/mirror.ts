import { Fifo } from '../../protocol/fifo';
import type { MuxStream } from '../../protocol/session-types';
import { openToClient, type Taken } from './connections';
import type { Subscriber } from './subscriber';

/** What one copy may lag behind; then it ends. The pod never waits for it. */
const MAX_QUEUE = 1024 * 1024;
/** All copies of one agent together. */
const MAX_TOTAL = 64 * 1024 * 1024;
/** The client may still be answering; nobody reads it. */
const LINGER_MS = 10_000;

let total = 0;

/** A copy of what one connection's client sends, to one subscriber. Never throws, never waits. */
export class MirrorCopy {
  readonly #queue = new Fifo<Uint8Array>();
  readonly #onLag: () => void;
  #queued = 0;
  #stream: MuxStream | undefined;
  #blocked = true;
  #ending = false;
  #done = false;

  /** @param onLag The client was too slow: its copy has ended. */
  constructor(subscriber: Subscriber, taken: Taken, http: 'http1' | 'http2' | undefined, onLag: () => void) {
    this.#onLag = onLag;
    openToClient(subscriber, taken, http).then(
      (stream) => this.#start(stream),
      () => this.#drop(),
    );
  }

  get isDone(): boolean {
    return this.#done;
  }

  write(chunk: Uint8Array): void {
    if (this.#done || this.#ending) return;
    if (this.#queued + chunk.byteLength > MAX_QUEUE || total + chunk.byteLength > MAX_TOTAL) {
      this.#stream?.reset('ENOBUFS', 'the copy of this connection was read too slowly');
      this.#drop();
      this.#onLag();
      return;
    }
    this.#queue.push(chunk);
    this.#queued += chunk.byteLength;
    total += chunk.byteLength;
    this.#flush();
  }

  end(): void {
    this.#ending = true;
    this.#flush();
  }

  #start(stream: MuxStream): void {
    stream.onReset = () => this.#drop();
    stream.onClose = () => this.#drop();
    stream.onDrain = () => {
      this.#blocked = false;
      this.#flush();
    };
    // The answers are the pod's; these are thrown away.
    stream.onData = (chunk) => stream.consumed(chunk.byteLength);
    if (this.#done) {
      stream.reset('ECONNRESET');
      return;
    }
    this.#stream = stream;
    this.#blocked = false;
    this.#flush();
  }

  #flush(): void {
    const stream = this.#stream;
    if (!stream || this.#done) return;
    while (!this.#blocked && this.#queue.length > 0) {
      const chunk = this.#queue.shift()!;
      this.#queued -= chunk.byteLength;
      total -= chunk.byteLength;
      this.#blocked = !stream.write(chunk);
    }
    if (!this.#ending || this.#queue.length > 0) return;
    stream.end();
    setTimeout(() => stream.reset('ECONNRESET'), LINGER_MS).unref();
  }

  #drop(): void {
    this.#done = true;
    this.#queue.clear();
    total -= this.#queued;
    this.#queued = 0;
  }
}
