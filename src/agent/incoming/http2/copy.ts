import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { Http2Upstream } from './upstream';

const MAX_QUEUE = 1024 * 1024;
const MAX_OPEN = 100;
const CANCEL = 0x8;

/** A copy of one request, whose answer is thrown away. What the other end does not read in time ends the copy. */
export class RequestCopy {
  readonly #onLag: () => void;
  /** Body that comes while the session is being made. */
  #early: Buffer[] = [];
  #size = 0;
  #stream: ClientHttp2Stream | undefined;
  #ended: boolean;
  #isCut = false;

  constructor(upstream: Http2Upstream, headers: OutgoingHttpHeaders, ended: boolean, onLag: () => void) {
    this.#onLag = onLag;
    this.#ended = ended;
    upstream.ready.then(
      () => this.#start(upstream, headers),
      () => this.cut(),
    );
  }

  data(bytes: Buffer): void {
    if (this.#isCut || bytes.length === 0) return;
    if (this.#stream) this.#write(bytes);
    else {
      this.#size += bytes.length;
      if (this.#size <= MAX_QUEUE) this.#early.push(bytes);
    }
  }

  end(): void {
    this.#ended = true;
    this.#stream?.end();
  }

  /** The request was taken back. */
  cut(): void {
    this.#isCut = true;
    this.#early = [];
    this.#stream?.close(CANCEL);
  }

  #start(upstream: Http2Upstream, headers: OutgoingHttpHeaders): void {
    if (this.#isCut) return;
    if (upstream.open >= MAX_OPEN || this.#size > MAX_QUEUE) {
      this.cut();
      this.#onLag();
      return;
    }
    const isWhole = this.#ended && this.#size === 0;
    try {
      const stream = upstream.request(headers, isWhole);
      stream.on('error', () => {}).on('wantTrailers', () => stream.close());
      stream.resume();
      this.#stream = stream;
    } catch {
      // A copy that cannot be sent is none.
      this.cut();
      return;
    }
    for (const bytes of this.#early) this.#write(bytes);
    this.#early = [];
    if (this.#ended && !isWhole) this.#stream.end();
  }

  #write(bytes: Buffer): void {
    const stream = this.#stream;
    if (!stream || stream.destroyed || stream.closed) return;
    stream.write(bytes);
    if (stream.writableLength <= MAX_QUEUE) return;
    this.cut();
    this.#onLag();
  }
}
