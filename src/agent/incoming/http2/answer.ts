import { Fifo } from '../../../protocol/fifo';
import type { CallerOutput, Waiting } from './caller-output';
import { FLAG, headerFrames, headOf, TYPE } from './frame';
import { encodeFields } from './hpack/encode';
import type { Field } from './hpack/field';

/** The answer to one stream of a caller by somebody else than the pod: frames within both windows. */
export class Answer implements Waiting {
  readonly #id: number;
  readonly #output: CallerOutput;
  readonly #backlog = new Fifo<Buffer>();
  #window: number;
  #trailers: Field[] | undefined;
  #begun = false;
  #ending = false;
  #finished = false;
  /** All that was given is sent. */
  onEmpty: () => void = () => {};
  /** The end of the stream is sent as well. */
  onFinish: () => void = () => {};

  constructor(id: number, output: CallerOutput) {
    this.#id = id;
    this.#output = output;
    this.#window = output.initialWindow;
  }

  /** Whether an answer that is not an interim one has been sent. */
  get begun(): boolean {
    return this.#begun;
  }

  get finished(): boolean {
    return this.#finished;
  }

  get window(): number {
    return this.#window;
  }

  grant(more: number): void {
    this.#window += more;
    this.flush();
  }

  interim(fields: Field[]): void {
    if (!this.#begun) this.#sendFields(fields, false);
  }

  begin(fields: Field[], isAll: boolean): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#sendFields(fields, isAll);
    if (isAll) this.#finish();
  }

  /** Whether it was sent at once. */
  data(bytes: Buffer): boolean {
    if (this.#finished || this.#ending) return true;
    if (bytes.length > 0) this.#backlog.push(bytes);
    this.flush();
    return this.#backlog.length === 0;
  }

  end(trailers: Field[] | undefined): void {
    if (this.#finished || this.#ending) return;
    this.#trailers = trailers;
    this.#ending = true;
    this.flush();
  }

  /** Nothing more is sent. */
  drop(): void {
    this.#finished = true;
    this.#backlog.clear();
    this.#output.leave(this);
  }

  flush(): void {
    if (this.#finished) return;
    const hadBacklog = this.#backlog.length > 0;
    for (let bytes = this.#backlog.peek(); bytes; bytes = this.#backlog.peek()) {
      const room = Math.min(bytes.length, this.#window, this.#output.maxFrame);
      const size = room > 0 ? this.#output.take(room) : 0;
      if (size === 0) {
        // Room of the stream's own comes by `grant`.
        if (room > 0) this.#output.wait(this);
        return;
      }
      this.#window -= size;
      this.#output.send(headOf(TYPE.data, 0, this.#id, size), bytes.subarray(0, size));
      if (size === bytes.length) this.#backlog.shift();
      else this.#backlog.replaceFirst(bytes.subarray(size));
    }
    if (this.#ending) this.#sendEnd();
    else if (hadBacklog) this.onEmpty();
  }

  #sendEnd(): void {
    if (this.#trailers) this.#sendFields(this.#trailers, true);
    else this.#output.send(headOf(TYPE.data, FLAG.endStream, this.#id, 0));
    this.#finish();
  }

  #finish(): void {
    this.#finished = true;
    this.onFinish();
  }

  #sendFields(fields: Field[], isLast: boolean): void {
    const block = encodeFields(fields, this.#output.tableSizeDue);
    this.#output.tableSizeDue = undefined;
    this.#output.send(headerFrames(this.#id, block, isLast, this.#output.maxFrame));
  }
}
