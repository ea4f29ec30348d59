import type { Socket } from 'node:net';
import { Fifo } from '../../../protocol/fifo';
import { CODE, FrameError, MAX_31 } from './frame';
import { DEFAULT_MAX_FRAME } from './frame-reader';
import { MAX_HELD } from './limits';

const DEFAULT_WINDOW = 65_535;

/** Somebody with data for the caller that found no room. */
export interface Waiting {
  flush(): void;
}

/**
 * All that goes to a caller: what the pod has sent, as it came, and the frames of others between.
 *
 * The pod takes the window of the whole connection for its own, and others use it too. What they have used the pod is not told of
 * until as much has been given back (`#debt`); what it sends beyond the window meanwhile waits here.
 */
export class CallerOutput {
  readonly #socket: Socket;
  /** As the caller allows it. */
  maxFrame = DEFAULT_MAX_FRAME;
  initialWindow = DEFAULT_WINDOW;
  /** The caller has said that its table is to hold less, and waits for the next header block to say so too. */
  tableSizeDue: number | undefined;
  #window = DEFAULT_WINDOW;
  #debt = 0;
  readonly #queue = new Fifo<{ bytes: Buffer; data: number }>();
  #queued = 0;
  readonly #waiting = new Set<Waiting>();
  /** What others had to say before the server has said its first word, which has to be its settings. */
  #early: Buffer[] | undefined = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => this.#flushWaiting());
  }

  /** Whether the pod has to be read no further. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain || this.#queued > MAX_HELD;
  }

  get isOpened(): boolean {
    return this.#early === undefined;
  }

  /** The server's settings are written. */
  open(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    if (early.length > 0) this.pass(Buffer.concat(early));
  }

  pass(bytes: Buffer): void {
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(bytes);
  }

  /** Frames of ours, which leave together with others of the same turn. */
  send(...frames: Buffer[]): void {
    if (this.#early) {
      this.#early.push(...frames);
      return;
    }
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    for (const bytes of frames) this.pass(bytes);
  }

  /** A frame of the pod's in its turn; false = it waits here. `data`: what it takes of the window. */
  admit(bytes: Buffer, data: number): boolean {
    // Without a debt the pod knows the window itself, and what it makes of it is between the two.
    if (this.#queue.length === 0 && (data <= this.#window || this.#debt === 0)) {
      this.#window -= data;
      return true;
    }
    this.#queue.push({ bytes, data });
    this.#queued += bytes.length;
    return false;
  }

  /** How much of that may be sent by somebody else than the pod; as good as sent. */
  take(most: number): number {
    if (this.#socket.writableNeedDrain || this.#queue.length > 0) return 0;
    const taken = Math.max(0, Math.min(most, this.#window));
    this.#window -= taken;
    this.#debt += taken;
    return taken;
  }

  /** Has them flushed as soon as there may be room. */
  wait(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  leave(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /** The caller makes room; gives what of it the pod is to be told of. Throws FrameError. */
  grant(more: number): number {
    this.#window += more;
    if (this.#window > MAX_31) throw new FrameError('a window that is too large', CODE.flowControl);
    const paid = Math.min(this.#debt, more);
    this.#debt -= paid;
    this.#flushQueue();
    this.#flushWaiting();
    return more - paid;
  }

  #flushQueue(): void {
    for (let next = this.#queue.peek(); next && next.data <= this.#window; next = this.#queue.peek()) {
      this.#queue.shift();
      this.#queued -= next.bytes.length;
      this.#window -= next.data;
      this.send(next.bytes);
    }
  }

  #flushWaiting(): void {
    for (const waiting of [...this.#waiting]) {
      this.#waiting.delete(waiting);
      waiting.flush();
    }
  }
}
