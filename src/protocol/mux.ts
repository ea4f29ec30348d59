import { decodeObject, encode } from './codec';
import type { IncomingConnection, OpenAnswer, OpenRequest, WireError } from './contract';
import { parseWindow, ReceiveWindow, type SessionWindows } from './credit';
import { FLAG_FIN, type Frame, FrameType, readU32 } from './frame';
import { ProtocolError } from './goaway';
import { MAX_DATA_PAYLOAD } from './limits';
import { LinkStream } from './mux-stream';
import { StreamOpener } from './open-stream';
import type { Outbox } from './outbox';
import type { RoundTrip } from './round-trip';
import type { StreamRequest } from './session-types';
import type { Clock } from './timer';
import { decodeReset, encodeReset } from './wire-errors';

export type Role = 'client' | 'agent';
export type OpenHandler = (request: StreamRequest) => void;

export interface MuxOptions {
  role: Role;
  outbox: Outbox;
  windows: SessionWindows;
  roundTrip: RoundTrip;
  /** The highest id that may be used. */
  lastId: number;
  /** A further stream was wanted beyond it. */
  onIdsUsed: () => void;
  clock: Clock;
  maxStreams: number;
}

/** All streams of one session: who may use which id, and what each frame does to them. */
export class Mux {
  readonly outbox: Outbox;
  readonly #options: MuxOptions;
  readonly #streams = new Map<number, LinkStream>();
  /** OPENs of the other end that are not answered yet. */
  readonly #requests = new Map<number, StreamRequest>();
  readonly #opener: StreamOpener;
  #openHandler: OpenHandler | undefined;
  #peerOpen = 0;
  #nextId: number;
  /** Highest id the other end has used. */
  #lastPeerId = 0;
  #ended = false;

  constructor(options: MuxOptions) {
    this.#options = options;
    this.outbox = options.outbox;
    this.#nextId = options.role === 'client' ? 1 : 2;
    this.#opener = new StreamOpener(this, options);
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Bytes that wait in streams for credit or for the link. */
  get queuedBytes(): number {
    let sum = 0;
    for (const { queued } of this.#streams.values()) sum += queued;
    return sum;
  }

  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  onOpen(handler: OpenHandler): void {
    this.#openHandler = handler;
  }

  open(metadata: OpenRequest | IncomingConnection, signal?: AbortSignal): Promise<LinkStream> {
    return this.#opener.open(metadata, signal);
  }

  /** Room for control frames again: opens that waited go ahead. */
  pump(): void {
    this.#opener.pump();
  }

  /** Undefined when the ids are used up, which ends the session. */
  allocateId(): number | undefined {
    if (this.#nextId > this.#options.lastId) {
      this.#options.onIdsUsed();
      return undefined;
    }
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  /** A stream whose window was taken from the session's sum already. */
  addStream(
    id: number,
    window: number,
    credit: number,
    ways: { sends?: boolean; receives?: boolean } = {},
  ): LinkStream {
    const { windows, clock, roundTrip } = this.#options;
    const receiveWindow = new ReceiveWindow(windows, window, clock.now, roundTrip);
    const stream = new LinkStream(this, { id, window: receiveWindow, credit, ...ways });
    this.#streams.set(id, stream);
    return stream;
  }

  /** Whether this end has used the id, for a stream that is open or closed. */
  wasOwn(id: number): boolean {
    return !this.#isPeerId(id) && this.#isKnown(id);
  }

  /** A stream to send a reply on: the other end knows of it by the REPLY and has granted `credit` in its HELLO. */
  openReplyStream(id: number, credit: number): LinkStream {
    return this.addStream(id, 0, credit, { receives: false });
  }

  /** The other end's reply stream. The window was promised in HELLO, so it is granted whatever the sum. */
  adoptReplyStream(id: number, window: number): LinkStream {
    this.#claimPeerId(id);
    this.#peerOpen += 1;
    this.#options.windows.takeAnyway(window);
    return this.addStream(id, window, 0, { sends: false });
  }

  /** Takes an id the other end has chosen. */
  #claimPeerId(id: number): void {
    if (!this.#isPeerId(id) || id <= this.#lastPeerId) throw new ProtocolError(`stream id ${id} cannot be opened`);
    this.#lastPeerId = id;
  }

  remove(stream: LinkStream): void {
    if (this.#streams.delete(stream.id) && this.#isPeerId(stream.id)) this.#peerOpen -= 1;
  }

  /** @throws ProtocolError when the frame breaks the rules */
  handle(frame: Frame): void {
    if (frame.type === FrameType.OPEN) this.#handleOpen(frame);
    else if (frame.type === FrameType.ACCEPT) this.#opener.handleAccept(frame.id, frame.payload);
    else if (frame.type === FrameType.DATA) this.#handleData(frame);
    else if (frame.type === FrameType.WINDOW) this.#handleWindow(frame);
    else this.#handleReset(frame);
  }

  /** The session is over: everything open ends as a lost connection does. */
  end(reason: Error): void {
    this.#ended = true;
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.onAbort();
    this.#opener.end(reason);
    for (const stream of [...this.#streams.values()]) {
      stream.receiveReset({ code: 'ECONNRESET', message: reason.message, sessionOver: true });
    }
  }

  #isPeerId(id: number): boolean {
    return (id % 2 === 1) === (this.#options.role === 'agent');
  }

  #isKnown(id: number): boolean {
    return id > 0 && (this.#isPeerId(id) ? id <= this.#lastPeerId : id < this.#nextId);
  }

  /** A stream that is there; undefined for one that is closed, whose late frames mean nothing. */
  #find(frame: Frame): LinkStream | undefined {
    const stream = this.#streams.get(frame.id);
    if (!stream && !this.#isKnown(frame.id)) {
      throw new ProtocolError(`frame of type ${frame.type} for stream ${frame.id}, which was never opened`);
    }
    return stream;
  }

  #handleData(frame: Frame): void {
    if (frame.payload.byteLength > MAX_DATA_PAYLOAD) {
      throw new ProtocolError(`DATA of ${frame.payload.byteLength} bytes, the limit is ${MAX_DATA_PAYLOAD}`);
    }
    const stream = this.#find(frame);
    if (!stream && (this.#requests.has(frame.id) || this.#opener.isWaiting(frame.id))) {
      throw new ProtocolError(`DATA on stream ${frame.id} before its ACCEPT`);
    }
    stream?.receive(frame.payload, (frame.flags & FLAG_FIN) !== 0);
  }

  #handleWindow(frame: Frame): void {
    if (frame.payload.byteLength < 4) throw new ProtocolError('WINDOW without a number');
    this.#find(frame)?.grant(readU32(frame.payload, 0));
  }

  #handleReset(frame: Frame): void {
    const reset = decodeReset(frame.payload);
    if (this.#opener.handleReset(frame.id, reset)) return;
    const request = this.#requests.get(frame.id);
    if (request) {
      this.#forgetRequest(frame.id);
      request.onAbort();
      return;
    }
    this.#find(frame)?.receiveReset(reset);
  }

  #forgetRequest(id: number): void {
    if (this.#requests.delete(id)) this.#peerOpen -= 1;
  }

  #handleOpen({ id, payload }: Frame): void {
    this.#claimPeerId(id);
    const { window, request } = decodeObject(payload, 'OPEN');
    const streamRequest = this.#makeRequest(id, parseWindow(window, 'OPEN'), request as OpenRequest);
    this.#peerOpen += 1;
    this.#requests.set(id, streamRequest);
    if (this.#peerOpen > this.#options.maxStreams) {
      streamRequest.refuse({ code: 'ENOBUFS', message: `more than ${this.#options.maxStreams} streams` });
    } else if (!this.#openHandler) {
      streamRequest.refuse({ code: 'ENOSYS', message: 'streams are not served here' });
    } else {
      this.#callOpenHandler(streamRequest);
    }
  }

  #callOpenHandler(request: StreamRequest): void {
    try {
      this.#openHandler!(request);
    } catch (error) {
      request.refuse({ code: 'EIO', message: `the handler failed: ${(error as Error)?.message}` });
    }
  }

  #makeRequest(id: number, credit: number, metadata: OpenRequest): StreamRequest {
    return {
      id,
      metadata,
      onAbort: () => {},
      accept: (answer) => this.#accept(id, credit, answer),
      refuse: (error) => this.#refuse(id, error),
    };
  }

  /** After an abort, a stream that is reset already: the caller sees what it would have seen a moment later. */
  #accept(id: number, credit: number, answer: OpenAnswer): LinkStream {
    const waiting = this.#requests.delete(id) && !this.#ended;
    const window = waiting ? this.#options.windows.takeInitial() : 0;
    const stream = this.addStream(id, window, waiting ? credit : 0);
    stream.answer = answer;
    if (waiting && window > 0) {
      this.outbox.sendControl(FrameType.ACCEPT, 0, id, [encode({ window, answer })]);
    } else if (waiting) {
      stream.reset('ENOBUFS', 'no window is left to grant');
    } else {
      // Its place among the open streams was given back with the abort.
      this.#peerOpen += 1;
      stream.receiveReset({ code: 'ECONNRESET' });
    }
    return stream;
  }

  #refuse(id: number, error: WireError): void {
    if (!this.#requests.has(id) || this.#ended) return;
    this.#forgetRequest(id);
    this.outbox.sendControl(FrameType.RESET, 0, id, encodeReset(error));
  }
}
