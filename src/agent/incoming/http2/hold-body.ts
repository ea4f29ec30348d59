import { SETTINGS } from '../settings';

/** The beginning of a body, held for a filter. */
export class HeldBody {
  readonly #decide: (body: Buffer | undefined) => void;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #decided = false;
  readonly #limit: NodeJS.Timeout;

  /** @param decide Called once: with all of the body, or with nothing when it is too long or too slow. Not after `drop`. */
  constructor(decide: (body: Buffer | undefined) => void) {
    this.#decide = decide;
    this.#limit = setTimeout(() => this.#settle(false), SETTINGS.bodyLimitMs);
  }

  add(bytes: Buffer): void {
    if (this.#decided) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size > SETTINGS.maxBody) this.#settle(false);
  }

  end(): void {
    this.#settle(true);
  }

  drop(): void {
    this.#decided = true;
    clearTimeout(this.#limit);
  }

  #settle(isWhole: boolean): void {
    if (this.#decided) return;
    this.drop();
    this.#decide(isWhole ? Buffer.concat(this.#chunks) : undefined);
  }
}
