import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { Answer } from './answer';
import type { CallerOutput } from './caller-output';
import type { RequestCopy } from './copy';
import { CODE, resetFrame, windowFrame } from './frame';
import { fieldsOf, toFields, toOutgoing } from './header-list';
import type { HeldBody } from './hold-body';
import type { Field } from './hpack/field';

/** What a stream asks of its connection. */
export interface StreamHost {
  readonly output: CallerOutput;
  /** Bytes more, or less, that wait for somebody to take them. */
  onHeld(change: number): void;
  onDone(id: number): void;
}

/** One request that somebody else than the pod's connection answers. Its bytes come from the caller's frames, the answer's go into such. */
export class TakenStream {
  readonly id: number;
  readonly answer: Answer;
  readonly #host: StreamHost;
  #other: ClientHttp2Stream | undefined;
  /** Of the body, while nobody takes it. */
  #early: Buffer[] = [];
  /** Bytes of that which the caller has not got back in its windows; they are the last ones. */
  #owed = 0;
  #ended: boolean;
  #trailers: Field[] | undefined;
  #copies: RequestCopy[] = [];
  #body: HeldBody | undefined;
  #isDone = false;
  #isRefused = false;
  /** Whether the caller gets its window back before somebody takes the body. */
  #lends: boolean;

  /** @param lends The body is held for a filter: all of it has to come, however small the window. */
  constructor(id: number, host: StreamHost, ended: boolean, lends: boolean) {
    this.id = id;
    this.#host = host;
    this.#ended = ended;
    this.#lends = lends;
    this.answer = new Answer(id, host.output);
    this.answer.onFinish = () => this.#settle();
    this.answer.onEmpty = () => this.#other?.resume();
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Its body is looked at first. */
  hold(body: HeldBody): void {
    this.#body = body;
  }

  /** Somebody takes it, soon. */
  release(copies: RequestCopy[]): void {
    this.#lends = false;
    this.#body = undefined;
    this.copyTo(copies);
  }

  /** A body that has begun to come is copied from its beginning. */
  copyTo(copies: RequestCopy[]): void {
    this.#copies = copies;
    for (const copy of copies) for (const bytes of this.#early) copy.data(bytes);
    if (this.#ended) for (const copy of copies) copy.end();
  }

  /** Of the caller's request. `padding`: bytes of its window that carry nothing. */
  data(bytes: Buffer, padding: number): void {
    for (const copy of this.#copies) copy.data(bytes);
    if (padding > 0) this.#giveBack(padding);
    if (bytes.length === 0) return;
    if (this.#isRefused) this.#giveBack(bytes.length);
    else if (this.#other) {
      this.#host.onHeld(bytes.length);
      this.#write(bytes, bytes.length);
    } else this.#keep(bytes);
  }

  #keep(bytes: Buffer): void {
    this.#early.push(bytes);
    this.#host.onHeld(bytes.length);
    if (this.#lends) this.#giveBack(bytes.length);
    else this.#owed += bytes.length;
    this.#body?.add(bytes);
  }

  end(trailers?: Field[]): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#trailers = trailers;
    for (const copy of this.#copies) copy.end();
    if (isOpen(this.#other)) this.#other.end();
    this.#body?.end();
    this.#settle();
  }

  /** The caller takes it back. */
  cancel(code: number): void {
    for (const copy of this.#copies) copy.cut();
    if (isOpen(this.#other)) this.#other.close(code);
    this.#done();
  }

  /** Ends it on our side. */
  reset(code: number): void {
    if (this.#isDone) return;
    this.#host.output.send(resetFrame(this.id, code));
    this.cancel(code);
  }

  refuse(text: string): void {
    if (this.#isDone || this.answer.begun) return;
    this.#isRefused = true;
    this.#dropEarly();
    const headers = {
      ':status': '502',
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
    };
    this.answer.begin(fieldsOf(headers), false);
    this.answer.data(Buffer.from(text));
    this.answer.end(undefined);
  }

  /**
   * Joins it with the stream that takes it. May throw as `request` does.
   *
   * @param onUnanswered Asked when the other end is gone before it has said anything; true = the caller is told by somebody else.
   */
  join(request: (ended: boolean) => ClientHttp2Stream, onUnanswered: () => boolean): void {
    const isWhole = this.#ended && this.#early.length === 0 && this.#trailers === undefined;
    const other = request(isWhole);
    this.#other = other;
    other.on('error', () => {});
    // None at all become an empty frame that ends this direction; closing would end the other one too.
    other.on('wantTrailers', () => isOpen(other) && this.#sendTrailers(other));
    this.#passAnswer(other, onUnanswered);
    const owed = this.#owed;
    this.#owed = 0;
    for (const bytes of this.#early.splice(0)) this.#write(bytes, 0);
    // At once, as it is no more than one window, and what follows is given back as it is taken.
    if (owed > 0) this.#giveBack(owed);
    if (this.#ended && !isWhole) other.end();
  }

  #passAnswer(other: ClientHttp2Stream, onUnanswered: () => boolean): void {
    const { answer } = this;
    let trailers: Field[] | undefined;
    const end = () => {
      if (answer.begun) answer.end(trailers);
    };
    other.on('headers', (headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      answer.interim(toFields(headers, raw)),
    );
    other.on('response', (headers: IncomingHttpHeaders, flags: number, raw: string[] = []) => {
      if (this.#isDone) return;
      answer.begin(toFields(headers, raw), (flags & END_STREAM) !== 0);
      // Not before: bodies are told of earlier than the heads in front of them.
      other.on('data', (bytes: Buffer) => {
        if (!answer.data(bytes)) other.pause();
      });
    });
    other.on('trailers', (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      trailers = toFields(headers, raw);
    });
    // Trailers that come by themselves are told of after the end of the body.
    other.on('end', () => setImmediate(end));
    other.on('close', () => {
      if (this.#isDone) return;
      if (other.readableEnded) end();
      if (answer.begun && other.readableEnded) return this.#settle();
      if (!answer.begun && onUnanswered()) return;
      this.reset(other.rstCode || (other.readableEnded ? CODE.noError : CODE.cancel));
    });
  }

  #sendTrailers(other: ClientHttp2Stream): void {
    try {
      other.sendTrailers(this.#trailers ? toOutgoing(this.#trailers) : {});
    } catch {
      // Such as headers of a request among them.
      this.reset(CODE.protocol);
    }
  }

  #write(bytes: Buffer, owed: number): void {
    const taken = () => {
      this.#host.onHeld(-bytes.length);
      if (owed > 0) this.#giveBack(owed);
    };
    if (isOpen(this.#other)) this.#other.write(bytes, taken);
    else taken();
  }

  #giveBack(bytes: number): void {
    const { output } = this.#host;
    output.send(windowFrame(0, bytes));
    if (!this.#ended && !this.#isDone) output.send(windowFrame(this.id, bytes));
  }

  #dropEarly(): void {
    for (const { length } of this.#early.splice(0)) this.#host.onHeld(-length);
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.#giveBack(owed);
  }

  /** Both directions may be over by now. */
  #settle(): void {
    if (this.#isDone || !this.answer.finished) return;
    // A whole answer before the end of the request is no failure: the caller is told to stop by NO_ERROR.
    if (this.#ended) this.#done();
    else if (this.#isRefused) return;
    else if (this.#other?.closed) this.reset(this.#other.rstCode ?? CODE.noError);
  }

  #done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#body?.drop();
    this.#dropEarly();
    this.answer.drop();
    this.#host.onDone(this.id);
  }
}

const END_STREAM = 0x1;

/** What was reset may still have something to be read; to send on it throws. */
function isOpen(stream: ClientHttp2Stream | undefined): stream is ClientHttp2Stream {
  return stream !== undefined && !stream.destroyed && !stream.closed;
}
