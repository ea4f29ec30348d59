/** Time comes from outside, so that tests decide it. `now` is monotonic, in milliseconds. */
export type Now = () => number;

/** Runs `run` after `ms` milliseconds; the answer cancels it. */
export type SetTimer = (ms: number, run: () => void) => () => void;

export interface Clock {
  now: Now;
  setTimer: SetTimer;
}
