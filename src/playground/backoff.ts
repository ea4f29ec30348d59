/** The kubelet's restart delay: none for the first time, then 10 s, doubled up to 5 min, forgotten after 10 min of good running. */
export class Backoff {
  static readonly FIRST = 10_000;
  static readonly MAX = 300_000;
  static readonly RESET_AFTER = 600_000;
  #next = 0;

  /** Milliseconds to wait before the next start. `ranFor` is how long the last run lasted. */
  next(ranFor: number): number {
    if (ranFor >= Backoff.RESET_AFTER) this.#next = 0;
    const delay = this.#next;
    this.#next = Math.min(Math.max(delay * 2, Backoff.FIRST), Backoff.MAX);
    return delay;
  }
}

/** A delay as Go prints it: 10s, 1m20s, 5m0s. */
export function goDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
