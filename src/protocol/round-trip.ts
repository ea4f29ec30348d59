import { readU64, u64 } from './frame';
import { ROUND_TRIP_AGE, ROUND_TRIP_MEMORY } from './limits';
import type { PathTime } from './pace';
import type { Now } from './timer';

interface Ping {
  sent: number;
  /** No queue of ours was in its way. */
  isClear: boolean;
  resolve?: (ms: number) => void;
  reject?: (error: Error) => void;
}

export interface RoundTripOptions {
  now: Now;
  send: (payload: Uint8Array) => void;
  /** Whether what is on its way makes no queue. */
  isClear: () => boolean;
}

/**
 * Measures PING to PONG. What waits in buffers below us counts, and that is wanted: it shows when they fill. The shortest one is of
 * the latest two spans of `ROUND_TRIP_MEMORY`; a span ends when it holds a measure without a queue, so that a path that becomes
 * longer is told from one that is full.
 */
export class RoundTrip implements PathTime {
  readonly #options: RoundTripOptions;
  readonly #waiting = new Map<number, Ping>();
  #counter = 0;
  #latest: number | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;
  #spanStart: number;
  #spanHasClear = false;
  /** The shortest of this span and of the one before. */
  #shortestNow = Number.POSITIVE_INFINITY;
  #shortestBefore = Number.POSITIVE_INFINITY;

  constructor(options: RoundTripOptions) {
    this.#options = options;
    this.#spanStart = options.now();
  }

  /** Milliseconds; undefined before the first answer. */
  get latest(): number | undefined {
    return this.#latest;
  }

  /** Milliseconds; undefined before the first answer. */
  get shortest(): number | undefined {
    const shortest = Math.min(this.#shortestNow, this.#shortestBefore);
    return shortest === Number.POSITIVE_INFINITY ? undefined : shortest;
  }

  get isStale(): boolean {
    if (this.#spanHasClear || !this.#isSpanOver()) return false;
    for (const { isClear } of this.#waiting.values()) if (isClear) return false;
    return true;
  }

  /** Measures anew if the last measurement is old; costs 20 bytes. */
  refresh(): void {
    if (this.#options.now() - this.#lastSent >= ROUND_TRIP_AGE && this.#waiting.size === 0) this.#ping();
  }

  renew(): void {
    this.#ping();
  }

  /** Milliseconds to the other end and back; rejects when the transport is lost meanwhile. */
  measure(): Promise<number> {
    return new Promise((resolve, reject) => this.#ping(resolve, reject));
  }

  #ping(resolve?: (ms: number) => void, reject?: (error: Error) => void): void {
    const sent = this.#options.now();
    this.#lastSent = sent;
    this.#counter += 1;
    this.#waiting.set(this.#counter, { sent, isClear: this.#options.isClear(), resolve, reject });
    this.#options.send(u64(this.#counter));
  }

  handlePong(payload: Uint8Array): void {
    if (payload.byteLength < 8) return;
    const key = readU64(payload, 0);
    const ping = this.#waiting.get(key);
    if (!ping) return;
    this.#waiting.delete(key);
    this.#latest = this.#options.now() - ping.sent;
    this.#note(this.#latest, ping.isClear);
    ping.resolve?.(this.#latest);
  }

  #note(ms: number, isClear: boolean): void {
    this.#shortestNow = Math.min(this.#shortestNow, ms);
    this.#spanHasClear ||= isClear;
    if (!this.#spanHasClear || !this.#isSpanOver()) return;
    this.#shortestBefore = this.#shortestNow;
    this.#beginSpan();
  }

  #isSpanOver(): boolean {
    return this.#options.now() - this.#spanStart >= ROUND_TRIP_MEMORY;
  }

  #beginSpan(): void {
    this.#spanStart = this.#options.now();
    this.#spanHasClear = false;
    this.#shortestNow = Number.POSITIVE_INFINITY;
  }

  /** The transport is gone, and with it every answer; the next one may go another way. */
  reset(reason: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#latest = undefined;
    this.#shortestBefore = Number.POSITIVE_INFINITY;
    this.#beginSpan();
    this.#lastSent = Number.NEGATIVE_INFINITY;
    for (const ping of waiting) ping.reject?.(reason);
  }
}
