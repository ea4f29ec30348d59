import type { RequestCopy } from './copy';
import { PodStreams } from './goaway';
import type { TakenStream } from './taken-stream';

/** What of a stream that is over may still come in answer to what the caller has not read yet. */
const MAX_GONE = 2_000;

/** The streams of one caller that are more than frames on their way to the pod. */
export class Streams {
  readonly taken = new Map<number, TakenStream>();
  /** Answered by the pod; somebody gets a copy of the request. */
  readonly copied = new Map<number, RequestCopy[]>();
  readonly toPod = new PodStreams();
  readonly #gone = new Set<number>();
  /** The highest that the caller has opened, and the highest of those that the pod has not seen. */
  highest = 0;
  highestTaken = 0;

  take(stream: TakenStream): void {
    this.taken.set(stream.id, stream);
    this.highestTaken = stream.id;
  }

  /** It is over on our side. */
  forget(id: number): void {
    this.taken.delete(id);
    this.#gone.add(id);
    if (this.#gone.size > MAX_GONE) this.#gone.delete(this.#gone.values().next().value!);
  }

  /** The pod knows nothing of it, and nobody else does any more. */
  isGone(id: number): boolean {
    return this.#gone.size > 0 && this.#gone.has(id);
  }

  cutCopies(id: number): void {
    const copies = this.copied.get(id);
    this.copied.delete(id);
    for (const copy of copies ?? []) copy.cut();
  }
}
