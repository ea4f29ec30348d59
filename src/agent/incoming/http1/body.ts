import { type Framing, MalformedMessage } from './head';

/** Longest line between chunks, and of all trailers together. */
const MAX_LINE = 16 * 1024;

/** Finds the end of one body in its raw bytes, which are never changed. */
export class BodyScanner {
  #left: number;
  #state: 'data' | 'size' | 'after' | 'trailer' | 'close' | 'done';
  readonly #chunked: boolean;
  #line = '';
  #trailers = 0;
  #broken: Error | undefined;

  constructor(framing: Framing) {
    this.#chunked = framing.kind === 'chunked';
    this.#left = framing.kind === 'length' ? framing.length : 0;
    if (framing.kind === 'close') this.#state = 'close';
    else if (this.#chunked) this.#state = 'size';
    else this.#state = this.#left > 0 ? 'data' : 'done';
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Whether the body may end with its connection. */
  get endsWithConnection(): boolean {
    return this.#state === 'close';
  }

  /**
   * How many of these bytes belong to the body. `onData` gets the content without the marks between chunks.
   * Throws MalformedMessage for chunks that break the rules.
   */
  scan(bytes: Buffer, onData?: (data: Buffer) => void): number {
    if (this.#broken) throw this.#broken;
    try {
      return this.#scan(bytes, onData);
    } catch (error) {
      this.#broken = error as Error;
      throw error;
    }
  }

  #scan(bytes: Buffer, onData?: (data: Buffer) => void): number {
    if (this.#state === 'close') {
      onData?.(bytes);
      return bytes.length;
    }
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      at = this.#state === 'data' ? this.#scanData(bytes, at, onData) : this.#scanLine(bytes, at);
    }
    return at;
  }

  #scanData(bytes: Buffer, at: number, onData?: (data: Buffer) => void): number {
    const end = Math.min(bytes.length, at + this.#left);
    onData?.(bytes.subarray(at, end));
    this.#left -= end - at;
    if (this.#left === 0) this.#state = this.#chunked ? 'after' : 'done';
    return end;
  }

  #scanLine(bytes: Buffer, at: number): number {
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    this.#line += bytes.toString('latin1', at, end);
    if (this.#line.length > MAX_LINE) throw new MalformedMessage('a line between chunks is too long');
    if (newline < 0) return end;
    if (!this.#line.endsWith('\r\n')) throw new MalformedMessage('a line end between chunks');
    const line = this.#line.slice(0, -2);
    this.#line = '';
    this.#endLine(line);
    return end;
  }

  #endLine(line: string): void {
    if (this.#state === 'after') {
      if (line !== '') throw new MalformedMessage('bytes behind a chunk');
      this.#state = 'size';
    } else if (this.#state === 'size') {
      const size = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw new MalformedMessage('the size of a chunk');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left > 0 ? 'data' : 'trailer';
    } else {
      this.#trailers += line.length;
      if (this.#trailers > MAX_LINE) throw new MalformedMessage('the trailers are too long');
      if (line === '') this.#state = 'done';
    }
  }
}
