import type { Clock, Now } from '../protocol/timer';

/** Time of day beside the monotonic time: a machine that slept shows by the difference. */
export interface LinkClock extends Clock {
  wall: Now;
}

/** Real time, monotonic. A timer of the link never keeps the process alive. */
export const realClock: LinkClock = {
  wall: () => Date.now(),
  now: () => performance.now(),
  setTimer: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
