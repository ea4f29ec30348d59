import { Fifo } from './fifo';
import { FrameType, type OutboundFrame, u64 } from './frame';
import { ProtocolError } from './goaway';
import { ACK_BYTES, ACK_DELAY, ACK_FRAMES } from './limits';
import type { SetTimer } from './timer';

/**
 * Sequenced frames that were sent and are not acknowledged: what a resume sends again. Bounded by the credit in flight for
 * DATA; for the rest the sender stops making new frames (see Outbox).
 */
export class ReplayBuffer {
  readonly #frames = new Fifo<OutboundFrame>();
  /** Number of the first kept frame = frames the other end is known to have. */
  #acknowledged = 0;
  #controlBytes = 0;
  #dataBytes = 0;

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Frames ever sent. */
  get sent(): number {
    return this.#acknowledged + this.#frames.length;
  }

  get controlBytes(): number {
    return this.#controlBytes;
  }

  get dataBytes(): number {
    return this.#dataBytes;
  }

  push(frame: OutboundFrame): void {
    this.#frames.push(frame);
    this.#count(frame, 1);
  }

  at(sequence: number): OutboundFrame | undefined {
    return this.#frames.peek(sequence - this.#acknowledged);
  }

  /** @throws ProtocolError when more is acknowledged than was sent */
  acknowledge(count: number): void {
    if (count > this.sent) throw new ProtocolError(`ACK of ${count} frames, ${this.sent} were sent`);
    while (this.#acknowledged < count) {
      this.#count(this.#frames.shift()!, -1);
      this.#acknowledged += 1;
    }
  }

  clear(): void {
    this.#frames.clear();
    this.#controlBytes = 0;
    this.#dataBytes = 0;
  }

  #count(frame: OutboundFrame, sign: 1 | -1): void {
    if (frame.type === FrameType.DATA) this.#dataBytes += sign * frame.bytes;
    else this.#controlBytes += sign * frame.bytes;
  }
}

/** Counts sequenced frames received and says when the sender is to be told. */
export class ReceiptCounter {
  readonly #setTimer: SetTimer;
  readonly #due: () => void;
  #received = 0;
  #told = 0;
  #bytes = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(setTimer: SetTimer, due: () => void) {
    this.#setTimer = setTimer;
    this.#due = due;
  }

  get received(): number {
    return this.#received;
  }

  count(payloadBytes: number): void {
    this.#received += 1;
    this.#bytes += payloadBytes;
    if (this.#bytes >= ACK_BYTES || this.#received - this.#told >= ACK_FRAMES) this.#due();
    else this.#cancelTimer ??= this.#setTimer(ACK_DELAY, this.#due);
  }

  /** Payload of an ACK that is sent now. */
  tell(): Uint8Array {
    this.stop();
    this.#told = this.#received;
    this.#bytes = 0;
    return u64(this.#received);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
