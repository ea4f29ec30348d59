import { CallServer } from './call-server';
import { CallTable, type RawAnswer, type RawCallOptions } from './call-table';
import { decodeWithRaw, encodeWithRaw } from './codec';
import type { IncomingConnection, OpenRequest } from './contract';
import { SessionWindows, WindowBudget } from './credit';
import { FrameDecoder } from './decoder';
import { type Frame, FrameType, isSequenced, readU64 } from './frame';
import { decodeGoaway, encodeGoaway, type Goaway, GoawayCode, ProtocolError } from './goaway';
import { MAX_STREAM_ID, MAX_STREAMS, PACE_FLOOR, PACE_FLOOR_SELDOM_ACK } from './limits';
import { Mux, type OpenHandler, type Role } from './mux';
import { Outbox, type Write } from './outbox';
import { Pace } from './pace';
import { ReceiptCounter } from './replay';
import { RoundTrip } from './round-trip';
import type { CallHandler } from './rpc';
import { SessionError } from './session-error';
import type { MuxStream } from './session-types';
import type { Clock } from './timer';
import { FEATURES, PROMPT_ACK } from './version';

export interface ConnectionOptions extends Clock {
  role: Role;
  /** `window` of the other end's HELLO. */
  peerWindow: number;
  /** What the other end can do, of its HELLO. */
  peerFeatures?: readonly string[];
  /** Shared by all sessions of one process. */
  budget?: WindowBudget;
  maxStreams?: number;
  lastStreamId?: number;
}

export type EventHandler = (name: string, data: unknown, raw: Uint8Array) => void;

/**
 * One end of a session: streams, calls and events over a transport that may be lost and replaced. It knows no sockets: bytes
 * come in by `receive`, leave by what `attach` was given. HELLO is exchanged before `attach` (acceptor.ts, tunnel/greet.ts).
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #pace: Pace;
  readonly #outbox: Outbox;
  readonly #roundTrip: RoundTrip;
  readonly #receipts: ReceiptCounter;
  readonly #mux: Mux;
  readonly #calls: CallTable;
  readonly #server: CallServer;
  readonly #windows: SessionWindows;
  #decoder = new FrameDecoder();
  #eventHandler: EventHandler = () => {};
  #attachedHandler: (attached: boolean) => void = () => {};
  #closeHandlers: ((reason: Error | undefined) => void)[] = [];
  #attached = false;
  #closed = false;
  #reason: Error | undefined;
  #lastReceived: number;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { role, now, setTimer, peerWindow, peerFeatures = FEATURES } = options;
    const { budget = new WindowBudget(), maxStreams = MAX_STREAMS, lastStreamId = MAX_STREAM_ID } = options;
    this.#lastReceived = now();
    this.#roundTrip = new RoundTrip({
      now,
      send: (payload) => this.#outbox.sendUrgent(FrameType.PING, payload),
      isClear: () => this.#pace.isClear(this.#outbox.dataBytes),
    });
    this.#pace = new Pace({
      now,
      pathTime: this.#roundTrip,
      floor: peerFeatures.includes(PROMPT_ACK) ? PACE_FLOOR : PACE_FLOOR_SELDOM_ACK,
    });
    this.#outbox = new Outbox({
      receipt: () => this.#receipts.tell(),
      pace: this.#pace,
      onData: () => this.#roundTrip.refresh(),
      onRoom: () => this.#pump(),
      onOverflow: (error) => queueMicrotask(() => this.#fail(error)),
    });
    this.#receipts = new ReceiptCounter(setTimer, () => this.#outbox.requestAck());
    this.#windows = new SessionWindows(budget);
    this.#mux = new Mux({
      role,
      outbox: this.#outbox,
      windows: this.#windows,
      roundTrip: this.#roundTrip,
      clock: options,
      maxStreams,
      lastId: lastStreamId,
      onIdsUsed: () => queueMicrotask(() => this.#leave(GoawayCode.IDS_USED)),
    });
    this.#calls = new CallTable(this.#mux, options);
    this.#server = new CallServer(this.#mux, peerWindow);
  }

  /** Sequenced frames that have arrived: goes into HELLO. */
  get received(): number {
    return this.#receipts.received;
  }

  get attached(): boolean {
    return this.#attached;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** When bytes last arrived, by `now`. */
  get lastReceived(): number {
    return this.#lastReceived;
  }

  /** Counts for tests and diagnosis. */
  get stats(): { streams: number; calls: number; windowSum: number; controlBytes: number; roundTripMs?: number } {
    return {
      streams: this.#mux.size,
      calls: this.#calls.inFlight,
      windowSum: this.#windows.sum,
      controlBytes: this.#outbox.controlBytes,
      roundTripMs: this.#roundTrip.latest,
    };
  }

  /** Bytes held for the other end: sent and not acknowledged, and not yet sent. */
  get keptBytes(): number {
    return this.#outbox.keptBytes + this.#mux.queuedBytes;
  }

  /** Whether an end that has received that many frames can go on with this session. */
  canResumeFrom(peerReceived: number): boolean {
    return !this.#closed && this.#outbox.canResumeFrom(peerReceived);
  }

  /** A transport is there and HELLO was exchanged on it. What the other end has not received is sent again. */
  attach(write: Write, peerReceived = 0): void {
    if (this.#closed) return;
    this.#decoder = new FrameDecoder();
    this.#lastReceived = this.#options.now();
    this.#attached = true;
    this.#calls.setAttached(true);
    this.#pace.reset();
    this.#outbox.attach(write, peerReceived);
    this.#roundTrip.refresh();
    this.#attachedHandler(true);
  }

  /** The transport is lost. All state is kept for a resume. */
  detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    this.#calls.setAttached(false);
    this.#outbox.detach();
    this.#receipts.stop();
    this.#roundTrip.reset(new SessionError('LINK_LOST', 'the transport was lost'));
    if (!this.#closed) this.#attachedHandler(false);
  }

  /** Bytes from the transport, in any cut. Never throws: what breaks the rules ends the session. */
  receive(chunk: Uint8Array): void {
    if (!this.#attached || this.#closed) return;
    this.#lastReceived = this.#options.now();
    const decoder = this.#decoder;
    try {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) {
        this.#handle(frame);
        if (this.#closed || decoder !== this.#decoder) return;
      }
    } catch (error) {
      this.#fail(error instanceof ProtocolError ? error : new ProtocolError(`internal: ${(error as Error).message}`));
    }
  }

  /** The transport takes more again. */
  writable(): void {
    this.#outbox.writable();
  }

  call(method: string, params: unknown, options?: RawCallOptions): Promise<RawAnswer> {
    return this.#calls.call(method, params, options);
  }

  onCall(handler: CallHandler): void {
    this.#server.onCall(handler);
  }

  open(metadata: OpenRequest | IncomingConnection, signal?: AbortSignal): Promise<MuxStream> {
    return this.#mux.open(metadata, signal);
  }

  onOpen(handler: OpenHandler): void {
    this.#mux.onOpen(handler);
  }

  /** False = not sent: the session is over, or the other end has not fetched what was sent before. */
  emitEvent(name: string, data: unknown, raw?: Uint8Array): boolean {
    if (this.#closed || !this.#outbox.hasRoom) return false;
    this.#outbox.sendControl(FrameType.EVENT, 0, 0, encodeWithRaw({ name, data }, raw));
    return true;
  }

  onEvent(handler: EventHandler): void {
    this.#eventHandler = handler;
  }

  /** True = resumed over a new transport, false = parked. Not called for the first transport if set after `attach`. */
  onAttached(handler: (attached: boolean) => void): void {
    this.#attachedHandler = handler;
  }

  /** Called once, for good; several handlers may be set. `reason` is undefined after a wanted end. */
  onClose(handler: (reason: Error | undefined) => void): void {
    if (this.#closed) queueMicrotask(() => handler(this.#reason));
    else this.#closeHandlers.push(handler);
  }

  /** Milliseconds to the other end and back. */
  ping(): Promise<number> {
    if (!this.#attached) return Promise.reject(new SessionError('LINK_LOST', 'there is no transport'));
    return this.#roundTrip.measure();
  }

  /** Says why, then ends the session. `reason` is what open calls and streams are told; undefined = a wanted end. */
  goaway(code: number, text: string, reason?: Error): void {
    if (this.#closed) return;
    this.#outbox.sendLast(FrameType.GOAWAY, encodeGoaway({ code, lastStream: this.#mux.lastPeerId, text }));
    this.end(reason);
  }

  /** Ends the session without a word: the other end is gone, or said GOAWAY itself. */
  end(reason?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reason = reason;
    this.detach();
    this.#outbox.clear();
    const told = reason ?? new SessionError('LINK_LOST', 'the session was closed');
    this.#mux.end(told);
    this.#calls.end(told);
    this.#server.end();
    const handlers = this.#closeHandlers;
    this.#closeHandlers = [];
    for (const handler of handlers) handler(reason);
  }

  /** An end that nobody is to blame for, and that both ends hear of. */
  #leave(code: number): void {
    this.goaway(code, '', new SessionError(code, ''));
  }

  #fail(error: ProtocolError): void {
    this.goaway(GoawayCode.PROTOCOL, error.message, error);
  }

  #pump(): void {
    this.#calls.pump();
    this.#mux.pump();
    this.#server.pump();
  }

  #handle(frame: Frame): void {
    const { type, payload } = frame;
    if (isSequenced(type)) this.#receipts.count(payload.byteLength);
    if (type >= FrameType.OPEN && type <= FrameType.RESET) this.#mux.handle(frame);
    else if (type === FrameType.CALL) this.#server.handleCall(frame);
    else if (type === FrameType.REPLY) this.#calls.handleReply(frame);
    else if (type === FrameType.CANCEL) this.#server.handleCancel(frame.id);
    else if (type === FrameType.EVENT) this.#handleEvent(payload);
    else if (type === FrameType.PING) this.#outbox.sendUrgent(FrameType.PONG, payload.subarray(0, 8));
    else if (type === FrameType.PONG) this.#roundTrip.handlePong(payload);
    else if (type === FrameType.ACK) this.#handleAck(payload);
    else if (type === FrameType.GOAWAY) this.#handleGoaway(decodeGoaway(payload));
    else if (type === FrameType.HELLO) throw new ProtocolError('a second HELLO');
    // Any other type was added later and means nothing to this version; it is counted all the same.
  }

  #handleAck(payload: Uint8Array): void {
    if (payload.byteLength < 8) throw new ProtocolError('ACK without a count');
    this.#outbox.acknowledge(readU64(payload, 0));
  }

  #handleEvent(payload: Uint8Array): void {
    const { value, raw } = decodeWithRaw(payload, 'EVENT');
    if (typeof value.name !== 'string') throw new ProtocolError('EVENT without a name');
    try {
      this.#eventHandler(value.name, value.data, raw);
    } catch {
      // A listener of ours that fails is no reason to end the session.
    }
  }

  #handleGoaway({ code, text }: Goaway): void {
    this.end(code === GoawayCode.NORMAL ? undefined : new SessionError(code, text));
  }
}
