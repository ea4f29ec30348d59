import { Duplex } from 'node:stream';

/** Two ends of a transport within one process, with back-pressure; destroying one destroys the other, as with sockets. */
export function memoryPair(): [Duplex, Duplex] {
  const left = new MemoryEnd();
  const right = new MemoryEnd();
  left.other = right;
  right.other = left;
  return [left, right];
}

class MemoryEnd extends Duplex {
  other!: MemoryEnd;
  /** The writer waits until this end has been read. */
  resumeWriter: (() => void) | undefined;

  override _read(): void {
    const resume = this.resumeWriter;
    this.resumeWriter = undefined;
    resume?.();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    // Copied: the two ends share no memory over any other transport either.
    this.#passOn(Buffer.from(chunk), done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    this.#passOn(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    this.resumeWriter = undefined;
    setImmediate(() => this.other.destroy());
  }

  #passOn(bytes: Buffer, done: () => void): void {
    if (this.other.destroyed) setImmediate(done);
    else if (this.other.push(bytes)) setImmediate(done);
    else this.other.resumeWriter = () => setImmediate(done);
  }
}
