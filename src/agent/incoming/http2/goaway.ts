/** What a server says of any stream that may come, before it says which one was the last. */
const ALL_STREAMS = 2 ** 31 - 1;
/** More than are open at once: those that a server has not looked at are among the newest. */
const MAX_KEPT = 2_000;

/** Which request of the caller became which stream of another session. */
export class StreamNumbers {
  #pairs: { theirs: number; callers: number }[] = [];

  note(theirs: number, callers: number): void {
    this.#pairs.push({ theirs, callers });
    if (this.#pairs.length > 2 * MAX_KEPT) this.#pairs = this.#pairs.slice(-MAX_KEPT);
  }

  /**
   * The last stream that a caller has to take for seen: the highest it has opened but for those the server has not looked at.
   * What others have served in between counts as seen, as nobody may send it twice.
   */
  lastSeen(theirLast: number, highest: number): number {
    if (theirLast >= ALL_STREAMS) return ALL_STREAMS;
    const unseen = new Set(this.#pairs.filter(({ theirs }) => theirs > theirLast).map(({ callers }) => callers));
    let last = highest;
    while (unseen.has(last)) last -= 2;
    return Math.max(last, 0);
  }
}
