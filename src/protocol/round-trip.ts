import { readU64, u64 } from './frame';
import { ROUND_TRIP_AGE } from './limits';
import type { Now } from './timer';

/** Measures PING to PONG. What waits in buffers below us counts, and that is wanted: it shows when they fill. */
export class RoundTrip {
  readonly #now: Now;
  readonly #send: (payload: Uint8Array) => void;
  readonly #waiting = new Map<
    number,
    { sent: number; resolve?: (ms: number) => void; reject?: (error: Error) => void }
  >();
  #counter = 0;
  #shortest: number | undefined;
  #latest: number | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;

  constructor(now: Now, send: (payload: Uint8Array) => void) {
    this.#now = now;
    this.#send = send;
  }

  /** Milliseconds; undefined before the first answer. */
  get latest(): number | undefined {
    return this.#latest;
  }

  /** Milliseconds; undefined before the first answer. */
  get shortest(): number | undefined {
    return this.#shortest;
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
    this.#shortest = Math.min(this.#shortest ?? this.#latest, this.#latest);
    ping.resolve?.(this.#latest);
  }

  /** The transport is gone, and with it every answer; the next one may go another way. */
  reset(reason: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#latest = undefined;
    this.#shortest = undefined;
    this.#lastSent = Number.NEGATIVE_INFINITY;
    for (const ping of waiting) ping.reject?.(reason);
  }
}
