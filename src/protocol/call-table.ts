import { MirrordError } from '../errors';
import { decodeWithRaw } from './codec';
import { Fifo } from './fifo';
import { FLAG_STREAM, type Frame, FrameType, readU32, readU64 } from './frame';
import { ProtocolError } from './goaway';
import { CALL_LIMIT, INITIAL_WINDOW, MAX_CALLS, MAX_REPLY } from './limits';
import type { Mux } from './mux';
import type { LinkStream } from './mux-stream';
import { collectReply } from './reply-stream';
import { encodeCall } from './rpc';
import { type CallOptions, WireFailure } from './session-types';
import type { Clock } from './timer';
import { parseWireError } from './wire-errors';

export interface RawAnswer {
  result: unknown;
  raw: Uint8Array;
}

export interface RawCallOptions extends CallOptions {
  /** Bytes beside the parameters. */
  raw?: Uint8Array;
}

/** A limit of nothing must not make a timer run in circles while the link is down. */
const SHORTEST_TIMER = 50;

interface Call {
  method: string;
  parts: Uint8Array[];
  /** 0 while it waits for its turn. */
  id: number;
  stream?: LinkStream;
  /** When something of the answer last arrived. */
  progress: number;
  /** Made while there was no transport: its time runs from then on, whether the link comes back or not. */
  waitsForLink: boolean;
  resolve(answer: RawAnswer): void;
  reject(error: unknown): void;
  release(): void;
  settled: boolean;
}

/** Calls this end makes: at most MAX_CALLS in flight, the others wait in order. */
export class CallTable {
  readonly #mux: Mux;
  readonly #clock: Clock;
  readonly #waiting = new Fifo<Call>();
  readonly #inFlight = new Map<number, Call>();
  #lastId = 0;
  /** Undefined while there is no transport. */
  #attachedAt: number | undefined;
  #ended: Error | undefined;

  constructor(mux: Mux, clock: Clock) {
    this.#mux = mux;
    this.#clock = clock;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /**
   * @throws WireFailure with what the other end threw; MirrordError CALL_TIMEOUT, CALL_TOO_LARGE, or the reason the session
   * ended for; the signal's reason
   */
  call(method: string, params: unknown, options: RawCallOptions = {}): Promise<RawAnswer> {
    const { timeoutMs = CALL_LIMIT, signal, raw } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw signal.reason;
      if (this.#ended) throw this.#ended;
      const parts = encodeCall(method, params, raw);
      const abort = () => this.#giveUp(call, signal!.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const call: Call = {
        method,
        parts,
        id: 0,
        progress: this.#clock.now(),
        waitsForLink: this.#attachedAt === undefined,
        resolve,
        reject,
        release: () => signal?.removeEventListener('abort', abort),
        settled: false,
      };
      this.#limitTime(call, timeoutMs);
      this.#waiting.push(call);
      this.pump();
    });
  }

  /** For a call that was sent, time counts only while there is a transport: without one the session has a limit of its own. */
  setAttached(attached: boolean): void {
    this.#attachedAt = attached ? this.#clock.now() : undefined;
  }

  pump(): void {
    while (this.#waiting.length > 0 && this.#inFlight.size < MAX_CALLS && this.#mux.outbox.hasRoom) {
      const call = this.#waiting.shift()!;
      if (call.settled) continue;
      call.id = this.#nextId();
      this.#inFlight.set(call.id, call);
      this.#mux.outbox.sendControl(FrameType.CALL, 0, call.id, call.parts);
      call.parts = [];
    }
  }

  /** @throws ProtocolError when the answer breaks the rules */
  handleReply({ id, flags, payload }: Frame): void {
    const call = this.#inFlight.get(id);
    if (flags & FLAG_STREAM) this.#handleStreamReply(call, payload);
    else if (call) {
      this.#settle(call);
      this.#answer(call, payload);
    }
  }

  end(reason: Error): void {
    this.#ended = reason;
    const calls = [...this.#inFlight.values()];
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) calls.push(next);
    for (const call of calls) {
      if (call.settled) continue;
      this.#settle(call);
      call.reject(reason);
    }
  }

  /** The limit is on silence: a big file over a slow link may take longer than any limit, as long as it goes on. */
  #limitTime(call: Call, timeoutMs: number): void {
    if (!Number.isFinite(timeoutMs)) return;
    let cancel = () => {};
    const arm = (ms: number) => {
      cancel = this.#clock.setTimer(ms, () => {
        const since = call.waitsForLink
          ? call.progress
          : Math.max(call.progress, this.#attachedAt ?? this.#clock.now());
        const left = since + timeoutMs - this.#clock.now();
        if (left > 0) arm(Math.max(left, SHORTEST_TIMER));
        else this.#giveUp(call, timeoutError(call.method, timeoutMs));
      });
    };
    arm(timeoutMs);
    const { release } = call;
    call.release = () => {
      cancel();
      release();
    };
  }

  #handleStreamReply(call: Call | undefined, payload: Uint8Array): void {
    if (payload.byteLength < 12) throw new ProtocolError('REPLY with a stream, without saying which');
    const stream = this.#mux.adoptReplyStream(readU32(payload, 0), INITIAL_WINDOW);
    const length = readU64(payload, 4);
    if (!call || call.stream) {
      stream.reset('ECANCELED');
    } else if (length > MAX_REPLY) {
      stream.reset('ECANCELED');
      this.#settle(call);
      call.reject(
        new WireFailure({ code: 'EFBIG', message: `an answer of ${length} bytes, the limit is ${MAX_REPLY}` }),
      );
    } else {
      this.#collect(call, stream, length);
    }
  }

  #collect(call: Call, stream: LinkStream, length: number): void {
    call.stream = stream;
    const onProgress = () => {
      call.progress = this.#clock.now();
    };
    collectReply(stream, length, onProgress).then(
      (payload) => {
        if (call.settled) return;
        this.#settle(call);
        this.#answer(call, payload);
      },
      (error) => {
        if (call.settled) return;
        this.#settle(call);
        call.reject(error);
      },
    );
  }

  #answer(call: Call, payload: Uint8Array): void {
    try {
      const { value, raw } = decodeWithRaw(payload, `answer of ${call.method}`);
      if ('error' in value) call.reject(new WireFailure(parseWireError(value.error)));
      else call.resolve({ result: value.result, raw });
    } catch (error) {
      call.reject(error);
    }
  }

  #giveUp(call: Call, reason: unknown): void {
    if (call.settled) return;
    this.#settle(call);
    if (call.stream) call.stream.reset('ECANCELED');
    else if (call.id !== 0) this.#mux.outbox.sendControl(FrameType.CANCEL, 0, call.id);
    call.reject(reason);
  }

  #settle(call: Call): void {
    call.settled = true;
    call.release();
    if (call.id !== 0 && this.#inFlight.delete(call.id)) this.pump();
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    while (this.#inFlight.has(this.#lastId));
    return this.#lastId;
  }
}

function timeoutError(method: string, timeoutMs: number): MirrordError {
  return new MirrordError('CALL_TIMEOUT', `the agent did not answer ${method} within ${timeoutMs / 1000} s`, {
    hint: 'The agent may be overloaded or the link slow. See the agent log with `kubectl logs`.',
  });
}
