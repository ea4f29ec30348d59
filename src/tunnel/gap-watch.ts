import type { Now, SetTimer } from '../protocol/timer';

/** How often it is looked; costs nothing that could be measured. */
const TICK = 1_000;
/** A busy event loop delays a tick; more than this is a machine that slept, or a process that was stopped. */
const SLACK = 4_000;

export interface GapWatchOptions {
  now: Now;
  /** Time of day in milliseconds. */
  wall: Now;
  setTimer: SetTimer;
  /** This process did not run for about that many milliseconds. */
  onGap: (ms: number) => void;
}

/**
 * Says when the process wakes up after it did not run. Two clocks, because the monotonic one stands still while a laptop sleeps
 * (Linux) or goes on (others), and the time of day may be set by hand: whichever has leapt counts, as a false alarm costs one
 * PING. Answers a stop.
 */
export function watchForGaps({ now, wall, setTimer, onGap }: GapWatchOptions): () => void {
  let [monotonic, day] = [now(), wall()];
  let cancel = () => {};
  const tick = () => {
    const elapsed = Math.max(now() - monotonic, wall() - day);
    [monotonic, day] = [now(), wall()];
    cancel = setTimer(TICK, tick);
    if (elapsed > TICK + SLACK) onGap(elapsed);
  };
  cancel = setTimer(TICK, tick);
  return () => cancel();
}
