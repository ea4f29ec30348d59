import { Readable } from 'node:stream';
import type { LogOptions } from './types';

/** Bytes kept per run of a container; the oldest lines go first, as a kubelet rotates its files. */
const MAX_BYTES = 10 * 1024 * 1024;

interface Line {
  time: string;
  text: Buffer;
}

/** RFC 3339 with nanoseconds, as container logs have it. */
const timestamp = () =>
  `${new Date().toISOString().slice(0, -1)}${String(Number(process.hrtime.bigint() % 1_000_000n)).padStart(6, '0')}Z`;

/** The output of one run of a container: lines with the time at which they began. */
export class ContainerLog {
  #lines: Line[] = [];
  #bytes = 0;
  #ended = false;
  readonly #partial = new Map<string, Line>();
  readonly #followers = new Set<(line: Line | undefined) => void>();

  write(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#append(stream, chunk.subarray(start, end + 1));
      start = end + 1;
    }
    if (start < chunk.length) this.#append(stream, chunk.subarray(start));
  }

  /** No more output comes. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const line of this.#partial.values()) this.#push(line);
    for (const follower of this.#followers) follower(undefined);
  }

  /** The last lines as text, for messages. */
  tail(lines: number, bytes: number): string {
    const text = this.#lines
      .slice(-lines)
      .map((line) => line.text.toString())
      .join('');
    return text.slice(-bytes);
  }

  /** A stream of what is asked for. Its reader sets the pace; a follower that falls far behind loses the oldest lines, not memory. */
  read(options: LogOptions): Readable {
    const since =
      options.sinceSeconds === undefined ? '' : new Date(Date.now() - options.sinceSeconds * 1000).toISOString();
    let lines = this.#lines.filter((line) => line.time >= since);
    if (options.tailLines !== undefined) lines = options.tailLines === 0 ? [] : lines.slice(-options.tailLines);
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    const queue = [...lines];
    let queued = 0;
    let done = this.#ended || !options.follow;
    let hungry = false;
    const feed = () => {
      while (hungry && queue.length > 0 && left > 0) {
        const line = queue.shift()!;
        queued = Math.max(0, queued - line.text.length);
        const text = options.timestamps ? Buffer.concat([Buffer.from(`${line.time} `), line.text]) : line.text;
        const part = text.subarray(0, left);
        left -= part.length;
        hungry = stream.push(part);
      }
      if ((queue.length === 0 && done) || left <= 0) {
        this.#followers.delete(follower);
        stream.push(null);
      }
    };
    const follower = (line: Line | undefined) => {
      if (line === undefined) done = true;
      else {
        queue.push(line);
        queued += line.text.length;
        while (queued > MAX_BYTES && queue.length > 1) queued -= queue.shift()!.text.length;
      }
      feed();
    };
    const stream = new Readable({
      read: () => {
        hungry = true;
        feed();
      },
      destroy: (error, callback) => {
        this.#followers.delete(follower);
        callback(error);
      },
    });
    if (!done) this.#followers.add(follower);
    return stream;
  }

  #append(stream: string, text: Buffer): void {
    const open = this.#partial.get(stream);
    const line = open
      ? { time: open.time, text: Buffer.concat([open.text, text]) }
      : { time: timestamp(), text: Buffer.from(text) };
    // 16 KiB is where a container runtime cuts a line that does not end.
    if (text[text.length - 1] === 10 || line.text.length >= 16_384) {
      this.#partial.delete(stream);
      this.#push(line);
    } else this.#partial.set(stream, line);
  }

  #push(line: Line): void {
    this.#lines.push(line);
    this.#bytes += line.text.length;
    while (this.#bytes > MAX_BYTES && this.#lines.length > 1) this.#bytes -= this.#lines.shift()!.text.length;
    for (const follower of this.#followers) follower(line);
  }
}
