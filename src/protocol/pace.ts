import { PACE_ALLOWANCE, PACE_FLOOR, PACE_ROUNDS, PACE_START, REPLAY_DATA_BYTES, SLIGHT_ROOM } from './limits';
import type { Now } from './timer';

/** The limit in shortest round trips of what the path delivers. */
const GAIN = 1.5;
/** The same after a round that delivered this much more than all before: the path has more to give. */
const GROWING_GAIN = 2;
const STILL_GROWING = 1.25;

/** Of the round trips of this transport, as `RoundTrip` measures them. */
export interface PathTime {
  /** Milliseconds; undefined before the first one. */
  readonly shortest: number | undefined;
  /** None was measured for so long on a path without a queue of ours that it may have become longer. */
  readonly isStale: boolean;
  /** Measures one now. */
  renew(): void;
}

export interface PaceOptions {
  now: Now;
  pathTime: PathTime;
  /** The least the limit goes down to, in bytes. */
  floor?: number;
}

/**
 * How much DATA of all streams may be on its way unacknowledged. What is beyond it waits in the streams, where a call, a ping and
 * a small stream overtake it; what has been handed to the transport can be overtaken by nothing.
 *
 * As much as fills the path: what it delivers in one of its shortest round trips, and half as much again. More would only stand
 * in a queue somewhere below. What it delivers is measured round by round. A round begins when the limit holds DATA up, so streams
 * with little to send are not taken for a slow path, and takes from the moment the last frame left until that one is
 * acknowledged: never less than a round trip, however many acknowledgements come in one piece.
 *
 * The shortest round trip is measured anew when it is old, and for that what is on its way goes down to half of what fills the path:
 * otherwise the measure would hold the queue that the limit itself makes, and the limit would grow by it again and again.
 */
export class Pace {
  readonly #now: Now;
  readonly #pathTime: PathTime;
  readonly #floor: number;
  #limit: number;
  /** Bytes per millisecond of the latest rounds. */
  #rates: number[] = [];
  /** When the last frame left, and its number. */
  #lastSent = 0;
  #lastFrame = 0;
  #round: { start: number; end: number; bytes: number } | undefined;
  #isClearing = false;

  constructor({ now, pathTime, floor = PACE_FLOOR }: PaceOptions) {
    this.#now = now;
    this.#pathTime = pathTime;
    this.#floor = floor;
    this.#limit = Math.max(PACE_START, floor);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether so many bytes that are not acknowledged leave the path without a queue. */
  isClear(unacknowledged: number): boolean {
    return unacknowledged <= this.#limit / (2 * GAIN);
  }

  /**
   * Whether so many bytes that are not acknowledged leave room for a frame more, which then is sent. `sent` counts those so far.
   * @param isSlight of a stream that waits for nobody's bulk but its own
   */
  takeRoom(unacknowledged: number, sent: number, isSlight = false): boolean {
    if (this.#hasRoom(unacknowledged, isSlight)) {
      this.#lastSent = this.#now();
      this.#lastFrame = sent + 1;
      return true;
    }
    if (this.#isClearing) return false;
    this.#round ??= { start: this.#lastSent, end: this.#lastFrame, bytes: unacknowledged };
    this.#isClearing = this.#pathTime.isStale;
    return false;
  }

  #hasRoom(unacknowledged: number, isSlight: boolean): boolean {
    if (isSlight) return unacknowledged < Math.min(this.#limit + SLIGHT_ROOM, REPLAY_DATA_BYTES);
    if (this.#isClearing) return this.isClear(unacknowledged);
    return unacknowledged < this.#limit;
  }

  /** So many frames have arrived, so many bytes are still on their way. */
  acknowledge(frames: number, unacknowledged: number): void {
    if (this.#isClearing && this.isClear(unacknowledged)) {
      this.#isClearing = false;
      this.#pathTime.renew();
    }
    const round = this.#round;
    if (!round || frames < round.end) return;
    this.#round = undefined;
    this.#adjust(round.bytes / Math.max(this.#now() - round.start, 0.1));
  }

  /** Another transport goes another way. */
  reset(): void {
    this.#limit = Math.max(PACE_START, this.#floor);
    this.#rates = [];
    this.#round = undefined;
    this.#isClearing = false;
  }

  #adjust(rate: number): void {
    const gain = rate > Math.max(0, ...this.#rates) * STILL_GROWING ? GROWING_GAIN : GAIN;
    this.#rates.push(rate);
    if (this.#rates.length > PACE_ROUNDS) this.#rates.shift();
    const fill = Math.max(...this.#rates) * ((this.#pathTime.shortest ?? 0) * gain + PACE_ALLOWANCE);
    this.#limit = Math.min(Math.max(fill, this.#floor), REPLAY_DATA_BYTES);
  }
}
