/** More than are open at once: those that a server has not looked at are among the newest. */
const MAX_KEPT = 2_000;

/** The latest streams that went to the pod. */
export class PodStreams {
  #recent: number[] = [];

  note(stream: number): void {
    this.#recent.push(stream);
    if (this.#recent.length >= 2 * MAX_KEPT) this.#recent = this.#recent.slice(-MAX_KEPT);
  }

  /** Those above the last that the pod's server has looked at, up to a stream that the caller has to take for seen. */
  between(last: number, upTo: number): number[] {
    return this.#recent.filter((stream) => stream > last && stream <= upTo);
  }
}
