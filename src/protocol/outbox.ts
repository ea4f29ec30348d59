import { Fifo } from './fifo';
import { FrameType, isSequenced, makeFrame, type OutboundFrame } from './frame';
import { ProtocolError } from './goaway';
import {
  MAX_WAITING_PONGS,
  REPLAY_CONTROL_BYTES,
  REPLAY_CONTROL_LIMIT,
  SLIGHT_BYTES,
  SLIGHT_TURNS,
  WRITE_BATCH,
} from './limits';
import type { Pace } from './pace';
import { ReplayBuffer } from './replay';

/** Hands buffers to the transport; false = it is full, wait for `writable()`. */
export type Write = (buffers: Uint8Array[]) => boolean;

/** A stream that has DATA (or its end) to send. */
export interface DataSource {
  readonly sendable: boolean;
  /** Bytes it has. */
  readonly queued: number;
  takeFrame(): OutboundFrame | undefined;
}

export interface OutboxOptions {
  /** Payload of an ACK, made at the moment it is sent. */
  receipt: () => Uint8Array;
  pace: Pace;
  /** DATA is being sent. */
  onData: () => void;
  /** Control frames were acknowledged: there is room for calls and opens again. */
  onRoom: () => void;
  /** More control frames are kept than a peer that behaves can cause. */
  onOverflow: (error: ProtocolError) => void;
}

/**
 * Decides what goes to the transport next: PING, PONG and ACK; then what a resume has to send again; then control frames in
 * order; then DATA, one frame of each stream in turn, beginning with streams that had nothing to send and now have a little.
 * Little is given to the transport at a time, so that a ping or a call goes ahead of bulk that has not left yet.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #replay = new ReplayBuffer();
  readonly #urgent = new Fifo<OutboundFrame>();
  readonly #control = new Fifo<OutboundFrame>();
  readonly #sources = new Fifo<DataSource>();
  /** Had nothing, and now a little: a question or an answer beside somebody's bulk. */
  readonly #slight = new Fifo<DataSource>();
  #slightTurns = 0;
  readonly #queued = new Set<DataSource>();
  #controlQueued = 0;
  #pongs = 0;
  #ackDue = false;
  /** Number of the next frame to send again; `replay.sent` when there is none. */
  #cursor = 0;
  #write: Write | undefined;
  #full = false;
  #flushing = false;
  #scheduled = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Bytes of control frames waiting or not acknowledged. */
  get controlBytes(): number {
    return this.#controlQueued + this.#replay.controlBytes;
  }

  /** The same, and the DATA that is not acknowledged. */
  get keptBytes(): number {
    return this.controlBytes + this.dataBytes;
  }

  /** Of DATA that is not acknowledged. */
  get dataBytes(): number {
    return this.#replay.dataBytes;
  }

  get hasRoom(): boolean {
    return this.controlBytes < REPLAY_CONTROL_BYTES;
  }

  get sent(): number {
    return this.#replay.sent;
  }

  /** Whether a peer that has received that many frames can be brought up to date. */
  canResumeFrom(count: number): boolean {
    return Number.isSafeInteger(count) && count >= this.#replay.acknowledged && count <= this.#replay.sent;
  }

  attach(write: Write, peerReceived: number): void {
    this.acknowledge(peerReceived);
    this.#cursor = peerReceived;
    this.#write = write;
    this.#full = false;
    this.#schedule();
  }

  detach(): void {
    this.#write = undefined;
    this.#urgent.clear();
    this.#pongs = 0;
    this.#ackDue = false;
  }

  writable(): void {
    this.#full = false;
    this.#flush();
  }

  /** PING and PONG: not counted, lost with the transport. */
  sendUrgent(type: number, payload: Uint8Array): void {
    if (!this.#write) return;
    if (type === FrameType.PONG && this.#pongs >= MAX_WAITING_PONGS) return;
    if (type === FrameType.PONG) this.#pongs += 1;
    this.#urgent.push(makeFrame(type, 0, 0, [payload]));
    this.#schedule();
  }

  requestAck(): void {
    this.#ackDue = this.#write !== undefined;
    if (this.#ackDue) this.#schedule();
  }

  sendControl(type: number, flags: number, id: number, parts: readonly Uint8Array[] = []): void {
    const frame = makeFrame(type, flags, id, parts);
    this.#control.push(frame);
    this.#controlQueued += frame.bytes;
    if (this.controlBytes > REPLAY_CONTROL_LIMIT) {
      this.#options.onOverflow(new ProtocolError('control frames are not acknowledged'));
      return;
    }
    this.#schedule();
  }

  /** A stream has something to send, or credit for it. */
  ready(source: DataSource): void {
    if (this.#queued.has(source)) return;
    this.#queued.add(source);
    (source.queued <= SLIGHT_BYTES ? this.#slight : this.#sources).push(source);
    this.#schedule();
  }

  acknowledge(count: number): void {
    const hadRoom = this.hasRoom;
    this.#replay.acknowledge(count);
    this.#options.pace.acknowledge(count, this.#replay.dataBytes);
    this.#cursor = Math.max(this.#cursor, count);
    if (this.#queued.size > 0) this.#schedule();
    if (!hadRoom && this.hasRoom) this.#options.onRoom();
  }

  /** The last frame of a session: written whatever waits, because nothing will follow. */
  sendLast(type: number, parts: readonly Uint8Array[]): void {
    this.#write?.(makeFrame(type, 0, 0, parts).buffers);
    this.detach();
  }

  clear(): void {
    this.detach();
    this.#control.clear();
    this.#sources.clear();
    this.#slight.clear();
    this.#queued.clear();
    this.#replay.clear();
    this.#controlQueued = 0;
  }

  /** Once a tick at most: what one tick makes leaves in one write. */
  #schedule(): void {
    if (this.#scheduled || !this.#write) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    // A write may come back to us before it returns (a pair in memory): the loop below picks up what that adds.
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      while (this.#write && !this.#full && this.#flushBatch());
    } finally {
      this.#flushing = false;
    }
  }

  #flushBatch(): boolean {
    const batch: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < WRITE_BATCH) {
      const frame = this.#takeFrame();
      if (!frame) break;
      for (const buffer of frame.buffers) batch.push(buffer);
      bytes += frame.bytes;
    }
    if (bytes === 0) return false;
    const write = this.#write!;
    if (!write(batch) && this.#write === write) this.#full = true;
    return true;
  }

  #takeFrame(): OutboundFrame | undefined {
    if (this.#ackDue) {
      this.#ackDue = false;
      return makeFrame(FrameType.ACK, 0, 0, [this.#options.receipt()]);
    }
    const urgent = this.#urgent.shift();
    if (urgent) {
      if (urgent.type === FrameType.PONG) this.#pongs -= 1;
      return urgent;
    }
    if (this.#cursor < this.#replay.sent) return this.#replay.at(this.#cursor++);
    const frame = this.#takeControl() ?? this.#takeData();
    if (frame && isSequenced(frame.type)) {
      this.#replay.push(frame);
      this.#cursor += 1;
    }
    return frame;
  }

  #takeControl(): OutboundFrame | undefined {
    const frame = this.#control.shift();
    if (frame) this.#controlQueued -= frame.bytes;
    return frame;
  }

  #takeData(): OutboundFrame | undefined {
    while (this.#queued.size > 0) {
      let isSlight = this.#isSlightsTurn();
      if (!this.#takeRoom(isSlight)) {
        // Bulk whose turn it is may be held up, and they not.
        if (isSlight || this.#slight.length === 0 || !this.#takeRoom(true)) return undefined;
        isSlight = true;
      }
      this.#options.onData();
      const source = (isSlight ? this.#slight : this.#sources).shift()!;
      const frame = source.takeFrame();
      if (source.sendable) this.#sources.push(source);
      else this.#queued.delete(source);
      if (frame) return frame;
    }
    return undefined;
  }

  #takeRoom(isSlight: boolean): boolean {
    return this.#options.pace.takeRoom(this.#replay.dataBytes, this.#replay.sent, isSlight);
  }

  /** However many of them there are, bulk gets a turn now and then. */
  #isSlightsTurn(): boolean {
    if (this.#sources.length === 0 || (this.#slight.length > 0 && this.#slightTurns < SLIGHT_TURNS)) {
      this.#slightTurns += 1;
      return this.#slight.length > 0;
    }
    this.#slightTurns = 0;
    return false;
  }
}
