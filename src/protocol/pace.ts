import { PACE_ALLOWANCE, PACE_FLOOR, PACE_ROUNDS, PACE_START, REPLAY_DATA_BYTES } from './limits';
import type { Now } from './timer';

/** Rates of a round that is this much faster than all before: the path has more to give, so the limit doubles. */
const STILL_GROWING = 1.25;

export interface PaceOptions {
  now: Now;
  /** Milliseconds of the shortest round trip of this transport; undefined before the first one. */
  shortestRoundTrip: () => number | undefined;
  /** The least the limit goes down to, in bytes. */
  floor?: number;
}

/**
 * How much DATA of all streams may be on its way unacknowledged. What is beyond it waits in the streams, where a call, a ping and
 * a small stream overtake it; what has been handed to the transport can be overtaken by nothing.
 *
 * As much as fills the path: what it delivers in one of its shortest round trips, and half as much again. More would only stand
 * in a queue somewhere below. What it delivers is measured round by round; a round ends when all is acknowledged that was on its
 * way when it began. Only rounds count in which the limit held DATA up: the others say what the streams had to send.
 */
export class Pace {
  readonly #now: Now;
  readonly #shortestRoundTrip: () => number | undefined;
  readonly #floor: number;
  #limit: number;
  #isLimiting = false;
  /** Bytes per millisecond of the latest rounds. */
  #rates: number[] = [];
  #roundStart = 0;
  /** The round ends with the acknowledgement of that many frames. */
  #roundEnd = 0;
  #delivered = 0;

  constructor({ now, shortestRoundTrip, floor = PACE_FLOOR }: PaceOptions) {
    this.#now = now;
    this.#shortestRoundTrip = shortestRoundTrip;
    this.#floor = floor;
    this.#limit = Math.max(PACE_START, floor);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether so many bytes that are not acknowledged leave room for more. `sent` counts the frames so far. */
  hasRoom(unacknowledged: number, sent: number): boolean {
    // The time in which there was nothing to send is not part of a round.
    if (unacknowledged === 0) this.#beginRound(sent + 1);
    if (unacknowledged < this.#limit) return true;
    this.#isLimiting = true;
    return false;
  }

  /** `bytes` of DATA have arrived, and with them `acknowledged` frames of the `sent` ones. */
  acknowledge(bytes: number, acknowledged: number, sent: number): void {
    this.#delivered += bytes;
    if (acknowledged < this.#roundEnd) return;
    const elapsed = this.#now() - this.#roundStart;
    if (this.#isLimiting && this.#delivered > 0) this.#adjust(this.#delivered / Math.max(elapsed, 0.1));
    this.#beginRound(sent);
  }

  /** Another transport goes another way. */
  reset(): void {
    this.#limit = Math.max(PACE_START, this.#floor);
    this.#rates = [];
    this.#beginRound(0);
  }

  #beginRound(end: number): void {
    this.#roundStart = this.#now();
    this.#roundEnd = end;
    this.#delivered = 0;
    this.#isLimiting = false;
  }

  #adjust(rate: number): void {
    const before = Math.max(0, ...this.#rates);
    this.#rates.push(rate);
    if (this.#rates.length > PACE_ROUNDS) this.#rates.shift();
    const roundTrip = this.#shortestRoundTrip() ?? 0;
    const gain = rate > before * STILL_GROWING ? 2 : 1.5;
    const fill = Math.max(...this.#rates) * (roundTrip * gain + PACE_ALLOWANCE);
    this.#limit = Math.min(Math.max(fill, this.#floor), REPLAY_DATA_BYTES);
  }
}
