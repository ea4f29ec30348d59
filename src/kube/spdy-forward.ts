import { Duplex } from 'node:stream';
import type { MirrordError } from '../errors';
import { SpdyConnection } from '../spdy/connection';
import type { SpdyStream } from '../spdy/stream';
import { forwardLoss } from './forward-loss';

/** Milliseconds for the words of a refusal to arrive behind the end of the data. */
const WORDS_WAIT = 250;
/** Milliseconds for what was written last to leave before the connection is dropped. */
const CLOSE_WAIT = 5_000;

/**
 * One port of a pod over a SPDY connection of its own: a stream for errors, a stream for data. Unlike the form with channels
 * each direction ends by itself.
 *
 * Destroyed with PORT_FORWARD_REFUSED when it ended before any byte (nothing listens on the port), with PORT_FORWARD_LOST when
 * it broke later. What was received before is read first.
 */
export class SpdyForwardTransport extends Duplex {
  #connection: SpdyConnection;
  #data: SpdyStream;
  #errors: SpdyStream;
  #errorText = '';
  #received = 0;
  #ended = false;
  #pings: NodeJS.Timeout | undefined;

  /** @param pingMs between two pings, where nothing below sends any */
  constructor(connection: Duplex, port: number, pingMs?: number) {
    super({ allowHalfOpen: true });
    this.#connection = new SpdyConnection(connection, 'client');
    const headers = { port: String(port), requestid: '0' };
    this.#errors = this.#connection.open({ ...headers, streamtype: 'error' });
    // Nothing is ever said on it from this side, and the kubelet waits to be told so.
    this.#errors.end();
    this.#errors.on('data', (chunk: Buffer) => {
      this.#errorText = (this.#errorText + chunk.toString('utf8')).slice(0, 4096);
    });
    this.#data = this.#connection.open({ ...headers, streamtype: 'data' });
    this.#data.on('data', (chunk: Buffer) => {
      this.#received += chunk.length;
      if (!this.push(chunk)) this.#data.pause();
    });
    this.#data.once('end', () => this.#onEnd());
    this.#data.once('error', (error) => this.#onBroken(error.message));
    this.#connection.once('close', (error) => this.#onBroken(error?.message ?? 'the connection was closed'));
    if (pingMs !== undefined) {
      // Ids of pings are odd on this side, as those of streams are.
      let id = 1;
      this.#pings = setInterval(() => {
        this.#connection.ping(id);
        id += 2;
      }, pingMs).unref();
    }
  }

  /** The pod's side has said all it had to say; before the first byte that means that nobody is there. */
  #onEnd(): void {
    if (this.#received > 0 && !this.#errorText) {
      this.#ended = true;
      this.push(null);
      return;
    }
    const timer = setTimeout(tell, WORDS_WAIT);
    const self = this;
    this.#errors.once('end', tell);
    if (this.#errors.readableEnded) tell();
    function tell() {
      clearTimeout(timer);
      self.#onBroken('it ended');
    }
  }

  #onBroken(why: string): void {
    if (this.#ended || this.destroyed) return;
    this.#ended = true;
    const error = this.#lossOf(why);
    if (this.readableLength === 0) {
      this.destroy(error);
      return;
    }
    this.prependOnceListener('end', () => this.destroy(error));
    this.push(null);
  }

  #lossOf(why: string): MirrordError {
    return forwardLoss(this.#received, this.#errorText, why);
  }

  override _read(): void {
    this.#data.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#data.write(chunk, (error) => callback(error ? this.#lossOf(error.message) : null));
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer' as BufferEncoding, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#data.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#pings);
    // Ends after what was written; a peer that takes nothing any more is not waited for.
    if (error) this.#connection.destroy();
    else {
      const timer = setTimeout(() => this.#connection.destroy(), CLOSE_WAIT).unref();
      this.#connection.once('close', () => clearTimeout(timer));
      this.#connection.close();
    }
    callback(error);
  }
}
