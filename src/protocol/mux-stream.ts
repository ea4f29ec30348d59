import type { OpenAnswer } from './contract';
import type { ReceiveWindow } from './credit';
import { Fifo } from './fifo';
import { FLAG_FIN, FrameType, makeFrame, type OutboundFrame, u32 } from './frame';
import { ProtocolError } from './goaway';
import { MAX_CREDIT, MAX_DATA_PAYLOAD, STREAM_QUEUE } from './limits';
import type { DataSource, Outbox } from './outbox';
import type { MuxStream, StreamReset } from './session-types';
import { encodeReset } from './wire-errors';

/** More parts than this in one frame are joined: many tiny buffers cost more than a copy. */
const MAX_PARTS = 8;
const nothing = () => {};

export interface StreamHost {
  readonly outbox: Outbox;
  /** The stream is done: forget its id. */
  remove(stream: LinkStream): void;
}

export interface StreamOptions {
  id: number;
  window: ReceiveWindow;
  /** What may be sent at once; a stream that waits for its ACCEPT has none. */
  credit: number;
  /** Streams that carry a reply go one way. */
  sends?: boolean;
  receives?: boolean;
}

/** One byte stream of a link. Nothing is delivered before `onData` is set, and then in the next microtask. */
export class LinkStream implements MuxStream, DataSource {
  readonly id: number;
  answer!: OpenAnswer;
  onEnd: () => void = nothing;
  onReset: (reset: StreamReset) => void = nothing;
  onDrain: () => void = nothing;
  onClose: () => void = nothing;

  readonly #host: StreamHost;
  readonly #window: ReceiveWindow;
  #onData: (chunk: Uint8Array) => void = nothing;
  #flowing = false;
  #waiting: (() => void)[] = [];
  readonly #out = new Fifo<Uint8Array>();
  #queued = 0;
  #credit: number;
  #wantsDrain = false;
  #ending = false;
  #outDone: boolean;
  #inDone: boolean;
  #closed = false;

  constructor(host: StreamHost, { id, window, credit, sends = true, receives = true }: StreamOptions) {
    this.#host = host;
    this.id = id;
    this.#window = window;
    this.#credit = credit;
    this.#outDone = !sends;
    this.#inDone = !receives;
  }

  get onData(): (chunk: Uint8Array) => void {
    return this.#onData;
  }

  set onData(handler: (chunk: Uint8Array) => void) {
    this.#onData = handler;
    if (this.#flowing) return;
    // The other handlers are set in the same breath, before or after this one.
    queueMicrotask(() => this.#startFlow());
  }

  get queued(): number {
    const end = this.#ending && !this.#outDone && !this.#closed ? 1 : 0;
    return this.#queued + end;
  }

  get sendable(): boolean {
    if (this.#closed || this.#outDone) return false;
    return this.#queued > 0 ? this.#credit > 0 : this.#ending;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#closed || this.#ending || this.#outDone || chunk.byteLength === 0) return true;
    this.#out.push(chunk);
    this.#queued += chunk.byteLength;
    if (this.#credit > 0) this.#host.outbox.ready(this);
    if (this.#queued < STREAM_QUEUE) return true;
    this.#wantsDrain = true;
    return false;
  }

  end(): void {
    if (this.#closed || this.#ending || this.#outDone) return;
    this.#ending = true;
    if (this.sendable) this.#host.outbox.ready(this);
  }

  reset(code: string, message?: string): void {
    if (this.#closed) return;
    this.#waiting = [];
    this.#host.outbox.sendControl(FrameType.RESET, 0, this.id, encodeReset({ code, message }));
    this.#close(true);
    queueMicrotask(() => this.#call(() => this.onClose()));
  }

  consumed(bytes: number): void {
    const grant = this.#window.consume(bytes);
    if (grant > 0 && !this.#inDone && !this.#closed) {
      this.#host.outbox.sendControl(FrameType.WINDOW, 0, this.id, [u32(grant)]);
    }
  }

  takeFrame(): OutboundFrame | undefined {
    if (!this.sendable) return undefined;
    const parts = this.#takeParts(Math.min(this.#credit, MAX_DATA_PAYLOAD));
    const fin = this.#ending && this.#queued === 0;
    if (this.#wantsDrain && this.#queued < STREAM_QUEUE / 2) {
      this.#wantsDrain = false;
      queueMicrotask(() => !this.#closed && this.#call(() => this.onDrain()));
    }
    const frame = makeFrame(FrameType.DATA, fin ? FLAG_FIN : 0, this.id, parts);
    if (fin) {
      this.#outDone = true;
      this.#closeIfDone();
    }
    return frame;
  }

  #takeParts(limit: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let room = limit;
    while (room > 0 && this.#queued > 0) {
      const chunk = this.#out.peek()!;
      const part = chunk.byteLength <= room ? chunk : chunk.subarray(0, room);
      if (part === chunk) this.#out.shift();
      else this.#out.replaceFirst(chunk.subarray(room));
      parts.push(part);
      room -= part.byteLength;
      this.#queued -= part.byteLength;
    }
    this.#credit -= limit - room;
    return parts.length > MAX_PARTS ? [Buffer.concat(parts)] : parts;
  }

  /** Credit from ACCEPT or WINDOW. */
  grant(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > MAX_CREDIT) throw new ProtocolError(`stream ${this.id} was given a credit of ${this.#credit}`);
    if (this.sendable) this.#host.outbox.ready(this);
  }

  receive(payload: Uint8Array, fin: boolean): void {
    if (this.#inDone) throw new ProtocolError(`DATA on stream ${this.id} after its end`);
    this.#window.receive(payload.byteLength);
    if (payload.byteLength > 0) this.#deliver(() => this.#onData(payload));
    // A handler may have reset the stream.
    if (!fin || this.#closed) return;
    this.#inDone = true;
    this.#deliver(() => this.onEnd());
    this.#closeIfDone();
  }

  /** RESET from the other end, or the end of the session. */
  receiveReset(reset: StreamReset): void {
    if (this.#closed) return;
    this.#close(true);
    this.#deliver(() => this.onReset(reset));
    this.#deliver(() => this.onClose());
  }

  #closeIfDone(): void {
    if (this.#closed || !this.#inDone || !this.#outDone) return;
    this.#close(false);
    // Not from within takeFrame: its frame has not left yet.
    queueMicrotask(() => this.#deliver(() => this.onClose()));
  }

  #close(drop: boolean): void {
    this.#closed = true;
    this.#out.clear();
    this.#queued = 0;
    this.#window.close(drop);
    this.#host.remove(this);
  }

  #deliver(run: () => void): void {
    if (this.#flowing) this.#call(run);
    else this.#waiting.push(run);
  }

  #startFlow(): void {
    // Stays off while the backlog is delivered, so that what arrives meanwhile queues behind it.
    for (let run = this.#waiting.shift(); run; run = this.#waiting.shift()) this.#call(run);
    this.#flowing = true;
  }

  /** A handler that throws costs its stream, never the link or the process. */
  #call(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.reset('EIO', `a handler failed: ${(error as Error)?.message}`);
    }
  }
}
