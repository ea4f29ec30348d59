import { Duplex } from 'node:stream';
import type WebSocket from 'ws';
import type { MirrordError } from '../errors';
import { forwardLoss } from './forward-loss';

const DATA = 0;
const ERROR = 1;
/** Each channel's first two bytes are the port, little endian. */
const PORT_BYTES = 2;
/** Larger messages are faster up to about a megabyte, and delay what comes behind them. */
const MAX_MESSAGE = 256 * 1024;
const PING_INTERVAL = 30_000;
/** Milliseconds for the other side to answer a close, which it does after it has taken what was written. */
const CLOSE_TIMEOUT = 5000;

/**
 * One port of a pod as a byte stream: a WebSocket in the form `v4.channel.k8s.io`, where the first byte of each message is
 * the channel. This form has no half-close: `end()` closes both directions once everything is written.
 *
 * Destroyed with PORT_FORWARD_REFUSED when it closed before any byte (nothing listens on the port), with PORT_FORWARD_LOST
 * when it broke later. What was received before is read first.
 */
export class PortForwardTransport extends Duplex {
  #socket: WebSocket;
  #ports = [Buffer.alloc(0), Buffer.alloc(0)];
  #errorText = '';
  #received = 0;
  #closing = false;
  #over = false;
  #pings: NodeJS.Timeout;
  #onReady: () => void;

  /** @param onReady called when the server has confirmed both channels */
  constructor(socket: WebSocket, onReady: () => void) {
    super({ allowHalfOpen: false, readableHighWaterMark: MAX_MESSAGE, writableHighWaterMark: MAX_MESSAGE });
    this.#socket = socket;
    this.#onReady = onReady;
    socket.on('message', (message) => this.#onMessage(message as Buffer));
    socket.on('error', (error) => this.#onGone(error.message));
    socket.on('close', (code, reason) => this.#onGone(reason.toString() || `closed with code ${code}`));
    // Balancers on the way cut connections that are silent. A ping is refused before the upgrade is done.
    this.#pings = setInterval(() => socket.readyState === socket.OPEN && socket.ping(), PING_INTERVAL).unref();
  }

  #onMessage(message: Buffer): void {
    const channel = message[0];
    if (channel !== DATA && channel !== ERROR) return;
    const payload = this.#withoutPort(channel, message.subarray(1));
    if (payload.length === 0) return;
    if (channel === ERROR) {
      this.#errorText = (this.#errorText + payload.toString('utf8')).slice(0, 4096);
      return;
    }
    this.#received += payload.length;
    if (!this.push(payload)) this.#socket.pause();
  }

  #withoutPort(channel: 0 | 1, payload: Buffer): Buffer {
    const seen = this.#ports[channel]!;
    if (seen.length === PORT_BYTES) return payload;
    const taken = PORT_BYTES - seen.length;
    this.#ports[channel] = Buffer.concat([seen, payload.subarray(0, taken)]);
    if (this.#ports.every((port) => port.length === PORT_BYTES)) this.#onReady();
    return payload.subarray(taken);
  }

  #onGone(why: string): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#pings);
    if (this.destroyed) return;
    // The answer to our own close, or a pod that closed in order: both are an ordinary end.
    const ended = this.#closing || (this.#received > 0 && !this.#errorText && why === 'closed with code 1000');
    const error = ended ? undefined : this.#lossOf(why);
    // Refused: nothing can be waiting to be read.
    if (error && this.readableLength === 0) {
      this.destroy(error);
      return;
    }
    // Bytes that came before the end are read first; only then is it told.
    if (error) this.prependOnceListener('end', () => this.destroy(error));
    this.push(null);
  }

  #lossOf(why: string): MirrordError {
    return forwardLoss(this.#received, this.#errorText, why);
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send([chunk], chunk.length, callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    const buffers = chunks.map(({ chunk }) => chunk);
    const total = buffers.reduce((sum, { length }) => sum + length, 0);
    this.#send(buffers, total, callback);
  }

  #send(buffers: Buffer[], total: number, callback: (error?: Error | null) => void): void {
    if (this.#over) {
      callback(this.#lossOf('it is closed'));
      return;
    }
    const done = (error?: Error | null) => callback(error ? this.#lossOf(error.message) : null);
    const messages = toMessages(buffers, total);
    for (const [index, message] of messages.entries()) {
      // The last one's callback says that the kernel has taken it all: that is the back-pressure.
      this.#socket.send(message, { binary: true }, index === messages.length - 1 ? done : undefined);
    }
    if (messages.length === 0) done();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#over) {
      callback();
      return;
    }
    this.#closing = true;
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT);
    this.#socket.once('close', () => {
      clearTimeout(timer);
      callback();
    });
    // A paused socket would never read the other side's close.
    this.#socket.resume();
    this.#socket.close(1000);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#pings);
    this.#over = true;
    this.#socket.terminate();
    callback(error);
  }
}

/** Messages of the data channel: each byte is copied once, from where it is to behind the channel number. */
function toMessages(buffers: readonly Uint8Array[], total: number): Buffer[] {
  const messages: Buffer[] = [];
  let left = total;
  let message = Buffer.alloc(0);
  let filled = 0;
  for (const buffer of buffers) {
    for (let taken = 0; taken < buffer.length; ) {
      if (filled === message.length) {
        message = Buffer.allocUnsafe(Math.min(left, MAX_MESSAGE) + 1);
        message[0] = DATA;
        filled = 1;
        messages.push(message);
      }
      const part = buffer.subarray(taken, taken + message.length - filled);
      message.set(part, filled);
      filled += part.length;
      taken += part.length;
      left -= part.length;
    }
  }
  return messages;
}
