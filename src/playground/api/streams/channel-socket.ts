import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { ChannelProtocol } from './negotiate-protocol';

/** Bytes that may wait in the socket before writers are told to wait. */
const MAX_BUFFERED = 1024 * 1024;
const CLOSE_CHANNEL = 255;

/**
 * A WebSocket whose messages begin with a channel number; every channel is a Duplex. A slow reader of one channel stops
 * the whole socket, for there is no other way to slow the peer down.
 */
export class ChannelSocket {
  readonly #socket: WebSocket;
  readonly #protocol: ChannelProtocol;
  readonly #channels = new Map<number, Channel>();
  readonly #blocked = new Set<Channel>();

  constructor(socket: WebSocket, protocol: ChannelProtocol) {
    this.#socket = socket;
    this.#protocol = protocol;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('error', () => socket.terminate());
    socket.once('close', () => {
      for (const channel of this.#channels.values()) channel.endReceiving();
    });
  }

  /** Called once the socket is gone, whoever closed it. */
  onClose(listener: () => void): void {
    if (this.#socket.readyState === this.#socket.CLOSED) listener();
    else this.#socket.once('close', listener);
  }

  open(number: number): Duplex {
    const channel = new Channel(number, this);
    this.#channels.set(number, channel);
    return channel;
  }

  /** Closes after everything that was written. */
  close(): void {
    this.#socket.close(1000);
  }

  send(channel: number, chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) {
      done(new Error('the WebSocket is closed'));
      return;
    }
    const message = this.#protocol.isBase64 ? channel + chunk.toString('base64') : withPrefix(channel, chunk);
    const isFull = this.#socket.bufferedAmount + message.length > MAX_BUFFERED;
    this.#socket.send(message, { binary: !this.#protocol.isBase64 }, isFull ? (error) => done(error) : undefined);
    // Taking the next chunk while this one is on its way keeps the connection full.
    if (!isFull) done();
  }

  block(channel: Channel): void {
    this.#blocked.add(channel);
    this.#socket.pause();
  }

  unblock(channel: Channel): void {
    if (this.#blocked.delete(channel) && this.#blocked.size === 0) this.#socket.resume();
  }

  #receive(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer;
    if (bytes.length === 0) return;
    if (this.#protocol.isBase64) {
      // Such a message is text; in a binary one the channel would be a byte and not a digit.
      if (!isBinary) this.#deliver(bytes[0]! - 0x30, Buffer.from(bytes.toString('latin1', 1), 'base64'));
      return;
    }
    const channel = bytes[0]!;
    if (channel === CLOSE_CHANNEL && this.#protocol.hasClose) this.#channels.get(bytes[1] ?? -1)?.endReceiving();
    else this.#deliver(channel, bytes.subarray(1));
  }

  #deliver(channel: number, chunk: Buffer): void {
    this.#channels.get(channel)?.receive(chunk);
  }
}

function withPrefix(channel: number, chunk: Buffer): Buffer {
  const message = Buffer.allocUnsafe(chunk.length + 1);
  message[0] = channel;
  chunk.copy(message, 1);
  return message;
}

class Channel extends Duplex {
  readonly #number: number;
  readonly #socket: ChannelSocket;
  #isEnded = false;

  constructor(number: number, socket: ChannelSocket) {
    super({ allowHalfOpen: true, highWaterMark: 256 * 1024 });
    this.#number = number;
    this.#socket = socket;
    // The peer may go at any time; the session hears of it by the socket's close.
    this.on('error', () => {});
  }

  receive(chunk: Buffer): void {
    if (this.#isEnded || this.destroyed || chunk.length === 0) return;
    if (!this.push(chunk)) this.#socket.block(this);
  }

  endReceiving(): void {
    if (this.#isEnded || this.destroyed) return;
    this.#isEnded = true;
    this.push(null);
  }

  override _read(): void {
    this.#socket.unblock(this);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.send(this.#number, chunk, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.unblock(this);
    done(error);
  }
}
