import { PACE_FLOOR, PACE_START, REPLAY_DATA_BYTES } from './limits';

/**
 * How much DATA of all streams may be on its way unacknowledged. What is beyond it waits in the streams, where a call, a ping and
 * a small stream overtake it; what has been handed to the transport can be overtaken by nothing.
 *
 * Found by delay: the limit doubles while it is what holds DATA up and round trips stay short, and shrinks when they grow,
 * because then the bytes only stand in a queue somewhere below.
 */
export class Pace {
  #limit = PACE_START;
  #isLimiting = false;

  get limit(): number {
    return this.#limit;
  }

  /** Whether so many bytes that are not acknowledged leave room for more. */
  hasRoom(unacknowledged: number): boolean {
    if (unacknowledged < this.#limit) return true;
    this.#isLimiting = true;
    return false;
  }

  /** A round trip was measured; `isInflated` = it took far longer than the shortest one. */
  adjust(isInflated: boolean): void {
    if (isInflated) this.#limit = Math.max(PACE_FLOOR, this.#limit * 0.7);
    else if (this.#isLimiting) this.#limit = Math.min(REPLAY_DATA_BYTES, this.#limit * 2);
    this.#isLimiting = false;
  }

  /** Another transport goes another way. */
  reset(): void {
    this.#limit = PACE_START;
    this.#isLimiting = false;
  }
}
