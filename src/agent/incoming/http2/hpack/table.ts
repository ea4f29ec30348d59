import { HpackError } from './error';
import { type Field, sizeOf } from './field';
import { STATIC_TABLE } from './static-table';

const DEFAULT_SIZE = 4096;

/** Both tables of one direction under their common index. */
export class HpackTable {
  /** What the one who reads has allowed, and what the one who writes may ask for. */
  limit = DEFAULT_SIZE;
  /** Oldest first; those before `#first` are gone. */
  #entries: Field[] = [];
  #first = 0;
  #size = 0;
  #maxSize = DEFAULT_SIZE;

  /** Throws HpackError for an index that nothing stands under. */
  at(index: number): Field {
    const own = index - STATIC_TABLE.length;
    const found = own > 0 ? this.#newest(own) : STATIC_TABLE[index - 1];
    if (!found) throw new HpackError(`an index without an entry: ${index}`);
    return found;
  }

  add(field: Field): void {
    this.#size += sizeOf(field);
    this.#entries.push(field);
    // One that is larger than all of it empties it, itself included.
    this.#evict();
  }

  /** Throws HpackError beyond what was allowed. */
  resize(maxSize: number): void {
    if (maxSize > this.limit) throw new HpackError(`a table of ${maxSize} where ${this.limit} is allowed`);
    this.#maxSize = maxSize;
    this.#evict();
  }

  #newest(number: number): Field | undefined {
    const at = this.#entries.length - number;
    return at < this.#first ? undefined : this.#entries[at];
  }

  #evict(): void {
    while (this.#size > this.#maxSize) this.#size -= sizeOf(this.#entries[this.#first++]!);
    // Moved now and then rather than each time; what is gone is let go of soon all the same.
    if (this.#first < 32 || 2 * this.#first < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}
