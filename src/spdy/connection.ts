import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { controlFrame, dataHeader, FLAG_FIN, FrameType, MAX_PAYLOAD, ResetStatus, words } from './frame';
import { FrameParser } from './frame-parser';
import { HeaderReader, type Headers, HeaderWriter } from './header-block';
import { SpdyStream, type StreamOwner } from './stream';

export type Role = 'client' | 'server';

export interface ConnectionEvents {
  /** A stream the peer has opened; it has been accepted already. */
  stream: [SpdyStream];
  /** The connection is over; with the error that ended it, if one did. Every stream has been ended before. */
  close: [Error | undefined];
}

type Done = (error?: Error | null) => void;

// Below this, copying a payload behind its header is cheaper than a second write.
const COPY_LIMIT = 2048;

/**
 * SPDY/3.1 over any byte stream, as Kubernetes speaks it: many streams on one connection, header blocks compressed, and no
 * flow control, because Kubernetes never sends a window. A slow reader therefore holds up the whole connection.
 */
export class SpdyConnection extends EventEmitter<ConnectionEvents> {
  readonly #transport: Duplex;
  readonly #role: Role;
  readonly #reader = new HeaderReader();
  readonly #writer = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #blocked = new Set<SpdyStream>();
  #nextId: number;
  #lastPeerId = 0;
  #isClosed = false;

  constructor(transport: Duplex, role: Role) {
    super();
    this.#transport = transport;
    this.#role = role;
    this.#nextId = role === 'client' ? 1 : 2;
    const parser = new FrameParser({
      control: (type, flags, payload) => this.#control(type, flags, payload),
      data: (id, chunk, isEnd) => this.#streams.get(id)?.receive(chunk, isEnd),
    });
    transport.on('data', (chunk: Buffer) => {
      if (this.#isClosed) return;
      try {
        parser.feed(chunk);
      } catch (error) {
        this.destroy(error as Error);
      }
    });
    transport.on('end', () => this.destroy());
    transport.on('error', (error) => this.destroy(error));
    transport.on('close', () => this.destroy());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Opens a stream to the peer. Data can be written at once. */
  open(headers: Headers): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = this.#add(id, headers);
    // Stream id, associated stream, then priority and slot: two more zero bytes.
    this.#send(controlFrame(FrameType.SYN_STREAM, 0, words(id, 0), Buffer.alloc(2), this.#writer.write(headers)));
    return stream;
  }

  ping(id: number): void {
    this.#send(controlFrame(FrameType.PING, 0, words(id)));
  }

  /** Says goodbye and ends the transport after what was written before. */
  close(): void {
    if (this.#isClosed) return;
    this.#send(controlFrame(FrameType.GOAWAY, 0, words(this.#lastPeerId, 0)));
    this.#transport.end();
    this.#finish(undefined);
  }

  /** Drops the connection at once; streams that are still open end with `error`. */
  destroy(error?: Error): void {
    if (this.#isClosed) return;
    this.#transport.destroy();
    this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    this.#isClosed = true;
    this.#blocked.clear();
    // What the peer still sends is read and dropped, or the end of the transport would never be seen.
    this.#transport.resume();
    for (const stream of [...this.#streams.values()])
      stream.abort(error ?? new Error('the SPDY connection was closed'));
    this.#streams.clear();
    this.emit('close', error);
  }

  #control(type: number, flags: number, payload: Buffer) {
    switch (type) {
      case FrameType.SYN_STREAM:
        return this.#acceptStream(payload, (flags & FLAG_FIN) !== 0);
      case FrameType.SYN_REPLY:
      case FrameType.HEADERS: {
        // Read even when nobody wants them: the blocks after them refer back to these.
        this.#reader.read(payload.subarray(4));
        if ((flags & FLAG_FIN) !== 0) this.#streams.get(streamIdOf(payload))?.receive(EMPTY, true);
        return;
      }
      case FrameType.RST_STREAM: {
        const status = payload.length >= 8 ? payload.readUInt32BE(4) : 0;
        this.#streams.get(streamIdOf(payload))?.abort(new Error(`the peer reset the SPDY stream (status ${status})`));
        return;
      }
      case FrameType.PING: {
        // Odd ids are the client's. One of our own coming back is the answer.
        const isOurs = (payload.readUInt32BE(0) % 2 === 1) === (this.#role === 'client');
        if (!isOurs) this.#send(controlFrame(FrameType.PING, 0, Buffer.from(payload.subarray(0, 4))));
        return;
      }
      default:
        // GOAWAY is followed by the end of the transport; SETTINGS and windows mean nothing here.
        return;
    }
  }

  #acceptStream(payload: Buffer, isEnded: boolean): void {
    const id = streamIdOf(payload);
    const headers = this.#reader.read(payload.subarray(10));
    const isPeers = (id % 2 === 1) === (this.#role === 'server');
    if (!isPeers || id <= this.#lastPeerId) {
      this.#send(controlFrame(FrameType.RST_STREAM, 0, words(id, ResetStatus.PROTOCOL_ERROR)));
      return;
    }
    this.#lastPeerId = id;
    const stream = this.#add(id, headers);
    this.#send(controlFrame(FrameType.SYN_REPLY, 0, words(id), this.#writer.write({})));
    this.emit('stream', stream);
    if (isEnded) stream.receive(EMPTY, true);
  }

  #add(id: number, headers: Headers): SpdyStream {
    const stream = new SpdyStream(this.#owner, id, headers);
    // A reset is told by 'close' as well; without a listener it must not end the process.
    stream.on('error', () => {});
    this.#streams.set(id, stream);
    return stream;
  }

  readonly #owner: StreamOwner = {
    sendData: (id, chunk, isEnd, done) => this.#sendData(id, chunk, isEnd, done),
    sendReset: (id) => this.#send(controlFrame(FrameType.RST_STREAM, 0, words(id, ResetStatus.CANCEL))),
    forget: (id) => void this.#streams.delete(id),
    block: (stream) => {
      this.#blocked.add(stream);
      this.#transport.pause();
    },
    unblock: (stream) => {
      if (this.#blocked.delete(stream) && this.#blocked.size === 0) this.#transport.resume();
    },
  };

  #sendData(id: number, chunk: Buffer, isEnd: boolean, done: Done) {
    if (this.#isClosed) return done(new Error('the SPDY connection was closed'));
    if (chunk.length > MAX_PAYLOAD) {
      this.#sendData(id, chunk.subarray(0, MAX_PAYLOAD), false, (error) => {
        if (error) done(error);
        else this.#sendData(id, chunk.subarray(MAX_PAYLOAD), isEnd, done);
      });
      return;
    }
    const header = dataHeader(id, chunk.length, isEnd ? FLAG_FIN : 0);
    if (chunk.length <= COPY_LIMIT) {
      this.#transport.write(chunk.length > 0 ? Buffer.concat([header, chunk]) : header, done);
      return;
    }
    this.#transport.cork();
    this.#transport.write(header);
    this.#transport.write(chunk, done);
    this.#transport.uncork();
  }

  #send(frame: Buffer): void {
    if (!this.#isClosed && this.#transport.writable) this.#transport.write(frame);
  }
}

const EMPTY = Buffer.alloc(0);

function streamIdOf(payload: Buffer): number {
  if (payload.length < 4) throw new RangeError('a SPDY control frame has no stream id');
  return payload.readUInt32BE(0) & 0x7fffffff;
}
