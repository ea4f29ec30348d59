import { CODE, FrameError } from './frame';

/** As Node's own servers have it: requests that are taken back at once, and each second. */
const BURST = 1_000;
const PER_SECOND = 33;

/** A caller that only opens requests in order to take them back is none. */
export class ResetBudget {
  #left = BURST;
  #at = performance.now();

  /** Throws FrameError when there is nothing left. */
  spend(): void {
    const now = performance.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1_000) * PER_SECOND);
    this.#at = now;
    if (this.#left < 1) throw new FrameError('too many requests that are taken back', CODE.calmDown);
    this.#left -= 1;
  }
}
