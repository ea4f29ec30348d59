import { readU64, u64 } from './frame';
import { ROUND_TRIP_AGE } from './limits';
import type { Now } from './timer';

/** Measures PING to PONG. What waits in buffers below us counts, and that is wanted: it shows when they fill. */
export class RoundTrip {
  readonly #now: Now;
  readonly #send: (payload: Uint8Array) => void;
  readonly #onMeasured: () => void;
  readonly #waiting = new Map<
    number,
    { sent: number; resolve?: (ms: number) => void; reject?: (error: Error) => void }
  >();
  #counter = 0;
  #minimum = Number.POSITIVE_INFINITY;
  #latest: number | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;

  constructor(now: Now, send: (payload: Uint8Array) => void, onMeasured: () => void = () => {}) {
    this.#now = now;
    this.#send = send;
    this.#onMeasured = onMeasured;
  }

  /** Milliseconds; undefined before the first answer. */
  get latest(): number | undefined {
    return this.#latest;
  }

  /** The path has begun to queue. 5 ms are what a busy event loop at either end may add. */
  get isInflated(): boolean {
    return this.#latest !== undefined && this.#latest > 2 * this.#minimum + 5;
  }

  /** Measures anew if the last measurement is old; costs 20 bytes. */
  refresh(): void {
    if (this.#now() - this.#lastSent >= ROUND_TRIP_AGE && this.#waiting.size === 0) this.#ping();
  }

  /** Milliseconds to the other end and back; rejects when the transport is lost meanwhile. */
  measure(): Promise<number> {
    return new Promise((resolve, reject) => this.#ping(resolve, reject));
  }

  #ping(resolve?: (ms: number) => void, reject?: (error: Error) => void): void {
    const sent = this.#now();
    this.#lastSent = sent;
    this.#counter += 1;
    this.#waiting.set(this.#counter, { sent, resolve, reject });
    this.#send(u64(this.#counter));
  }

  handlePong(payload: Uint8Array): void {
    if (payload.byteLength < 8) return;
    const key = readU64(payload, 0);
    const ping = this.#waiting.get(key);
    if (!ping) return;
    this.#waiting.delete(key);
    this.#latest = this.#now() - ping.sent;
    this.#minimum = Math.min(this.#minimum, this.#latest);
    this.#onMeasured();
    ping.resolve?.(this.#latest);
  }

  /** The transport is gone, and with it every answer; the next one may go another way. */
  reset(reason: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#latest = undefined;
    this.#minimum = Number.POSITIVE_INFINITY;
    this.#lastSent = Number.NEGATIVE_INFINITY;
    for (const ping of waiting) ping.reject?.(reason);
  }
}
