import type { Clock } from '../protocol/timer';

/** Real time, monotonic. A timer of the link never keeps the process alive. */
export const realClock: Clock = {
  now: () => performance.now(),
  setTimer: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
