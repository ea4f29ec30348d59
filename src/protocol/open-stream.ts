import { MirrordError } from '../errors';
import { decodeObject, encode } from './codec';
import type { IncomingConnection, OpenAnswer, OpenRequest } from './contract';
import { parseWindow, type SessionWindows } from './credit';
import { Fifo } from './fifo';
import { FrameType } from './frame';
import { ProtocolError } from './goaway';
import { OPEN_LIMIT } from './limits';
import type { Mux } from './mux';
import type { LinkStream } from './mux-stream';
import { type StreamReset, WireFailure } from './session-types';
import type { Clock } from './timer';
import { encodeReset } from './wire-errors';

interface Opening {
  metadata: OpenRequest | IncomingConnection;
  /** Undefined while it waits for room. */
  id?: number;
  window: number;
  resolve(stream: LinkStream): void;
  reject(error: unknown): void;
  /** Clears the time limit and the listener of the signal. */
  release(): void;
  settled: boolean;
}

/** Streams this end opens: OPEN, then ACCEPT or RESET, within a time limit. */
export class StreamOpener {
  readonly #mux: Mux;
  readonly #windows: SessionWindows;
  readonly #clock: Clock;
  readonly #waitingForRoom = new Fifo<Opening>();
  readonly #opening = new Map<number, Opening>();
  #ended: Error | undefined;

  constructor(mux: Mux, { windows, clock }: { windows: SessionWindows; clock: Clock }) {
    this.#mux = mux;
    this.#windows = windows;
    this.#clock = clock;
  }

  /** @throws WireFailure when the other end refuses; MirrordError when the session is over; the signal's reason */
  open(metadata: OpenRequest | IncomingConnection, signal?: AbortSignal): Promise<LinkStream> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw signal.reason;
      if (this.#ended) throw this.#ended;
      const abort = () => this.#giveUp(opening, signal!.reason, 'ECANCELED');
      signal?.addEventListener('abort', abort, { once: true });
      const cancelTimer = this.#clock.setTimer(OPEN_LIMIT, () => {
        const text = `no answer to an OPEN (${metadata.kind}) within ${OPEN_LIMIT / 1000} s`;
        this.#giveUp(opening, new WireFailure({ code: 'ETIMEDOUT', message: text }), 'ETIMEDOUT');
      });
      const release = () => {
        cancelTimer();
        signal?.removeEventListener('abort', abort);
      };
      const opening: Opening = { metadata, window: 0, resolve, reject, release, settled: false };
      this.#waitingForRoom.push(opening);
      this.pump();
    });
  }

  pump(): void {
    while (this.#waitingForRoom.length > 0 && this.#mux.outbox.hasRoom) {
      const opening = this.#waitingForRoom.shift()!;
      if (!opening.settled) this.#start(opening);
    }
  }

  isWaiting(id: number): boolean {
    return this.#opening.has(id);
  }

  #start(opening: Opening): void {
    const id = this.#mux.allocateId();
    opening.window = id === undefined ? 0 : this.#windows.takeInitial();
    if (id === undefined || opening.window === 0) {
      const message = id === undefined ? 'all stream ids of this session are used' : 'no window is left to grant';
      this.#settle(opening);
      opening.reject(new WireFailure({ code: 'ENOBUFS', message }));
      return;
    }
    opening.id = id;
    this.#opening.set(id, opening);
    const payload = encode({ window: opening.window, request: opening.metadata });
    this.#mux.outbox.sendControl(FrameType.OPEN, 0, id, [payload]);
  }

  handleAccept(id: number, payload: Uint8Array): void {
    const opening = this.#opening.get(id);
    // Given up meanwhile, and the other end has our RESET on its way.
    if (!opening && this.#mux.wasOwn(id)) return;
    if (!opening) throw new ProtocolError(`ACCEPT of stream ${id}, which was not asked for`);
    const { window, answer } = decodeObject(payload, 'ACCEPT');
    const credit = parseWindow(window, 'ACCEPT');
    this.#settle(opening);
    const stream = this.#mux.addStream(id, opening.window, credit);
    stream.answer = answer as OpenAnswer;
    opening.resolve(stream);
  }

  /** Whether the RESET was for a stream that was being opened. */
  handleReset(id: number, reset: StreamReset): boolean {
    const opening = this.#opening.get(id);
    if (!opening) return false;
    this.#settle(opening);
    this.#windows.give(opening.window);
    opening.reject(new WireFailure(reset));
    return true;
  }

  end(reason: Error): void {
    this.#ended = reason;
    const all = [...this.#opening.values()];
    for (let next = this.#waitingForRoom.shift(); next; next = this.#waitingForRoom.shift()) all.push(next);
    for (const opening of all) {
      if (opening.settled) continue;
      this.#settle(opening);
      if (opening.id !== undefined) this.#windows.give(opening.window);
      opening.reject(reason);
    }
  }

  #giveUp(opening: Opening, reason: unknown, code: string): void {
    if (opening.settled) return;
    this.#settle(opening);
    if (opening.id !== undefined) {
      this.#windows.give(opening.window);
      this.#mux.outbox.sendControl(FrameType.RESET, 0, opening.id, encodeReset({ code }));
    }
    opening.reject(reason ?? new MirrordError('CANCELLED', 'opening a stream was cancelled'));
  }

  #settle(opening: Opening): void {
    opening.settled = true;
    opening.release();
    if (opening.id !== undefined) this.#opening.delete(opening.id);
  }
}
