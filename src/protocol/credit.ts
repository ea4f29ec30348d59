import { ProtocolError } from './goaway';
import {
  INITIAL_WINDOW,
  MAX_CREDIT,
  MAX_GRANT,
  MAX_WINDOW,
  SESSION_WINDOW_SUM,
  SMALL_WINDOW,
  TOTAL_WINDOW_SUM,
  WINDOW_GROWTH,
} from './limits';
import type { RoundTrip } from './round-trip';
import type { Now } from './timer';

/** @throws ProtocolError when it is no number of bytes */
export function parseWindow(value: unknown, what: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_CREDIT) return value as number;
  throw new ProtocolError(`${what} without a valid window`);
}

/** What one process has granted to all its peers together: one for an agent, shared by its sessions. */
export class WindowBudget {
  #used = 0;
  readonly limit: number;

  constructor(limit = TOTAL_WINDOW_SUM) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Small windows may use the last quarter, so that streams can still be opened when big ones have taken the rest. */
  take(bytes: number): boolean {
    const limit = bytes <= SMALL_WINDOW ? this.limit : this.limit * 0.75;
    if (this.#used + bytes > limit) return false;
    this.#used += bytes;
    return true;
  }

  /** For credit that was promised already, in HELLO. */
  takeAnyway(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** The windows of one session. */
export class SessionWindows {
  readonly #budget: WindowBudget;
  #sum = 0;

  constructor(budget: WindowBudget) {
    this.#budget = budget;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Window of a new stream; 0 = there is nothing left, refuse it. */
  takeInitial(): number {
    if (this.#sum + INITIAL_WINDOW <= SESSION_WINDOW_SUM && this.take(INITIAL_WINDOW)) return INITIAL_WINDOW;
    return this.take(SMALL_WINDOW) ? SMALL_WINDOW : 0;
  }

  take(bytes: number): boolean {
    if (!this.#budget.take(bytes)) return false;
    this.#sum += bytes;
    return true;
  }

  takeAnyway(bytes: number): void {
    this.#budget.takeAnyway(bytes);
    this.#sum += bytes;
  }

  give(bytes: number): void {
    this.#budget.give(bytes);
    this.#sum -= bytes;
  }
}

/** Receiving side of one stream's credit. */
export class ReceiveWindow {
  readonly #windows: SessionWindows;
  readonly #now: Now;
  readonly #roundTrip: RoundTrip;
  #size: number;
  /** Received and not yet consumed. */
  #held = 0;
  /** What the sender may still send. */
  #credit: number;
  #lastGrant: number;
  #closed = false;

  /** `size` was taken from `windows` already. */
  constructor(windows: SessionWindows, size: number, now: Now, roundTrip: RoundTrip) {
    this.#windows = windows;
    this.#size = size;
    this.#credit = size;
    this.#now = now;
    this.#roundTrip = roundTrip;
    this.#lastGrant = now();
  }

  get size(): number {
    return this.#size;
  }

  /** @throws ProtocolError when the sender had less credit than it used */
  receive(bytes: number): void {
    if (bytes > this.#credit) throw new ProtocolError(`DATA of ${bytes} bytes with a credit of ${this.#credit}`);
    this.#credit -= bytes;
    this.#held += bytes;
  }

  /** The owner has passed bytes on. Answers the credit to grant now; 0 = none yet. */
  consume(bytes: number): number {
    const consumed = Math.min(bytes, this.#held);
    this.#held -= consumed;
    if (this.#closed) {
      this.#windows.give(consumed);
      this.#size -= consumed;
      return 0;
    }
    const free = this.#size - this.#credit - this.#held;
    if (free < Math.min(this.#size / 2, MAX_GRANT)) return 0;
    const now = this.#now();
    this.#growIfUsedUp(((now - this.#lastGrant) * this.#size) / free);
    this.#lastGrant = now;
    const grant = this.#size - this.#credit - this.#held;
    this.#credit += grant;
    return grant;
  }

  /**
   * A window that is used up in two round trips makes the sender wait for credit. What is in the queues of the path is not this
   * window's business: the sender's pace sees to it.
   */
  #growIfUsedUp(elapsed: number): void {
    this.#roundTrip.refresh();
    const { latest } = this.#roundTrip;
    if (latest === undefined || elapsed > 2 * latest) return;
    const growth = Math.min(this.#size * WINDOW_GROWTH, MAX_WINDOW) - this.#size;
    if (growth > 0 && this.#windows.take(growth)) this.#size += growth;
  }

  /** No more will come. What the owner still holds is given back when it is consumed, or at once with `drop`. */
  close(drop: boolean): void {
    if (this.#closed && !drop) return;
    const held = drop ? 0 : this.#held;
    this.#windows.give(this.#size - held);
    this.#size = held;
    this.#held = held;
    this.#credit = 0;
    this.#closed = true;
  }
}
