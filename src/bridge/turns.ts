/** Does so many things at a time; further ones wait for their turn, up to a number, in the order in which they came. */
export class Turns {
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  constructor(
    private readonly atOnce: number,
    private readonly maxWaiting: number,
  ) {}

  /** False: there are too many already, and it is not done. A thing that fails has to say so itself. */
  take(run: () => Promise<void>): boolean {
    if (this.#running < this.atOnce) void this.#run(run);
    else if (this.#waiting.length < this.maxWaiting) this.#waiting.push(run);
    else return false;
    return true;
  }

  async #run(run: () => Promise<void>): Promise<void> {
    this.#running += 1;
    await run().catch(() => {});
    this.#running -= 1;
    const next = this.#waiting.shift();
    if (next) void this.#run(next);
  }
}
