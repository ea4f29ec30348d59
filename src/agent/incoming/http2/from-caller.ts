import type { CallerOutput } from './caller-output';
import {
  CODE,
  FLAG,
  FrameError,
  frame,
  HEAD_BYTES,
  headerFrames,
  MAX_31,
  resetFrame,
  SETTING,
  TYPE,
  type Unit,
  windowFrame,
} from './frame';
import { DEFAULT_MAX_FRAME } from './frame-reader';
import { HpackDecoder } from './hpack/decode';
import { encodeFields } from './hpack/encode';
import { HpackError } from './hpack/error';
import { type Field, sizeOf } from './hpack/field';
import { MAX_FRAME, MAX_LIST } from './limits';
import { blockOf, dataOf, numberOf, readSettings } from './read-payload';
import { ResetBudget } from './reset-budget';
import type { Streams } from './streams';

export interface CallerEvents {
  /** A request begins; true = the pod gets nothing of it. */
  onRequest(stream: number, fields: Field[], ended: boolean): boolean;
  /** The pod's frames may be that long from now on, and no longer. */
  onMaxFrame(size: number): void;
}

const PRIORITY = 2;
/** Once this is said, and nothing is ever added, the pod's table and the caller's cannot differ. */
const EMPTY_TABLE = 0;

/** What becomes of each frame of a caller. */
export class FromCaller {
  readonly #output: CallerOutput;
  readonly #streams: Streams;
  readonly #events: CallerEvents;
  readonly #decoder = new HpackDecoder();
  /** Some header block of the caller has not reached the pod, so that blocks can no longer go there as they came. */
  isSplit = false;
  /** Settings of ours that the caller has not acknowledged. */
  ownSettings = 0;
  /** As the pod allows it. */
  maxList = MAX_LIST.least;
  podMaxFrame = DEFAULT_MAX_FRAME;
  readonly #resets = new ResetBudget();
  /** There is nobody else who would acknowledge settings, which the caller has sent that many times in vain. */
  #isAlone = false;
  #unacknowledged = 0;
  #saidEmpty = false;
  #tableSize = 4096;
  #smallerTable: number | undefined;

  constructor(output: CallerOutput, streams: Streams, events: CallerEvents) {
    this.#output = output;
    this.#streams = streams;
    this.#events = events;
  }

  set tableLimit(size: number) {
    this.#decoder.limit = size;
  }

  /** Gives what of it goes to the pod. Throws FrameError. */
  replace(unit: Unit): Buffer | undefined {
    switch (unit.type) {
      case TYPE.data:
        return this.#data(unit);
      case TYPE.headers:
        return this.#headers(unit);
      case TYPE.reset:
        return this.#reset(unit);
      case TYPE.windowUpdate:
        return this.#window(unit);
      case TYPE.settings:
        return this.#settings(unit);
      case TYPE.ping:
        return this.#ping(unit);
      case PRIORITY:
        return this.#isOurs(unit.stream) ? undefined : unit.bytes;
      case TYPE.pushPromise:
        throw new FrameError('a push of a client');
      default:
        return unit.bytes;
    }
  }

  /** From here on the agent is the other end of the connection. */
  stayAlone(): void {
    this.#isAlone = true;
    while (this.#unacknowledged > 0) this.#acknowledge();
  }

  /** The pod has taken note of the caller's settings: what follows keeps to them. */
  settingsTaken(): void {
    if (this.#unacknowledged > 0) this.#unacknowledged -= 1;
    if (this.#smallerTable !== undefined) this.#output.tableSizeDue = this.#smallerTable;
    this.#smallerTable = undefined;
  }

  #isOurs(stream: number): boolean {
    return this.#streams.taken.has(stream) || this.#streams.isGone(stream);
  }

  #data(unit: Unit): Buffer | undefined {
    const { stream, length, bytes } = unit;
    const ended = (unit.flags & FLAG.endStream) !== 0;
    const taken = this.#streams.taken.get(stream);
    if (taken) {
      const payload = dataOf(unit);
      if (taken.hasEnded) throw new FrameError('a body behind its end', CODE.streamClosed);
      taken.data(payload, length - payload.length);
      if (ended) taken.end();
      return undefined;
    }
    if (this.#streams.isGone(stream)) {
      // Sent before the caller has read of the end: the pod does not get it, so nobody else would give the window back.
      if (length > 0) this.#output.send(windowFrame(0, length));
      return undefined;
    }
    const copies = this.#streams.copied.get(stream);
    if (copies) {
      const payload = dataOf(unit);
      for (const copy of copies) copy.data(payload);
      if (ended) this.#endCopies(stream);
    }
    return bytes;
  }

  #headers(unit: Unit): Buffer | undefined {
    const { stream, flags, bytes } = unit;
    const ended = (flags & FLAG.endStream) !== 0;
    const fields = this.#decode(unit);
    const isNew = stream > this.#streams.highest;
    if (isNew) {
      if (stream % 2 === 0) throw new FrameError('a request on a stream of the server');
      this.#streams.highest = stream;
      if (this.#events.onRequest(stream, fields, ended)) {
        this.isSplit = true;
        return undefined;
      }
      this.#streams.toPod.note(stream);
    } else {
      const taken = this.#streams.taken.get(stream);
      if (taken) {
        taken.end(fields);
        return undefined;
      }
      if (stream === 0) throw new FrameError('headers of no stream');
      if (this.#streams.isGone(stream)) return undefined;
      if (ended) this.#endCopies(stream);
    }
    return this.isSplit ? this.#encode(stream, fields, ended, isNew) : bytes;
  }

  #decode(unit: Unit): Field[] {
    try {
      return this.#decoder.decode(blockOf(unit));
    } catch (error) {
      if (error instanceof HpackError) throw new FrameError(error.message, CODE.compression);
      throw error;
    }
  }

  /** Few octets may stand for many, but for no more than the reader takes. */
  isTooLong(fields: Field[]): boolean {
    return fields.reduce((sum, field) => sum + sizeOf(field), 0) > this.maxList;
  }

  #encode(stream: number, fields: Field[], ended: boolean, isNew: boolean): Buffer | undefined {
    if (this.isTooLong(fields)) {
      this.#output.send(resetFrame(stream, CODE.calmDown));
      this.#streams.cutCopies(stream);
      this.#streams.forget(stream);
      // The pod knows only streams that have begun, and frames of others would be errors to it.
      return isNew ? undefined : resetFrame(stream, CODE.cancel);
    }
    const block = encodeFields(fields, this.#saidEmpty ? undefined : EMPTY_TABLE);
    this.#saidEmpty = true;
    return headerFrames(stream, block, ended, this.podMaxFrame);
  }

  #reset(unit: Unit): Buffer | undefined {
    const code = numberOf(unit);
    const taken = this.#streams.taken.get(unit.stream);
    if (taken) {
      this.#resets.spend();
      taken.cancel(code);
    } else if (!this.#streams.isGone(unit.stream)) {
      this.#streams.cutCopies(unit.stream);
      return unit.bytes;
    }
    return undefined;
  }

  #window(unit: Unit): Buffer | undefined {
    const { stream, bytes } = unit;
    const more = numberOf(unit);
    if (stream === 0) {
      if (more === 0) throw new FrameError('a window that grows by nothing');
      const rest = this.#output.grant(more);
      if (rest === 0) return undefined;
      if (rest < more) bytes.writeUInt32BE(rest, HEAD_BYTES);
      return bytes;
    }
    const taken = this.#streams.taken.get(stream);
    if (taken) {
      if (more === 0) taken.reset(CODE.protocol);
      else if (taken.answer.window + more > MAX_31) taken.reset(CODE.flowControl);
      else taken.answer.grant(more);
      return undefined;
    }
    return this.#streams.isGone(stream) ? undefined : bytes;
  }

  #settings(unit: Unit): Buffer | undefined {
    if (unit.flags & FLAG.ack) {
      if (this.ownSettings === 0) return unit.bytes;
      this.ownSettings -= 1;
      return undefined;
    }
    readSettings(unit, (id, value) => {
      if (id === SETTING.tableSize) this.#noteTable(value);
      else if (id === SETTING.initialWindow) this.#noteWindow(value);
      else if (id === SETTING.maxFrame && value >= DEFAULT_MAX_FRAME) {
        this.#output.maxFrame = Math.min(value, MAX_FRAME);
        this.#events.onMaxFrame(this.#output.maxFrame);
        return Math.min(value, MAX_FRAME);
      }
      return value;
    });
    this.#unacknowledged += 1;
    if (!this.#isAlone) return unit.bytes;
    this.#acknowledge();
    return undefined;
  }

  #acknowledge(): void {
    this.#output.send(frame(TYPE.settings, FLAG.ack, 0, Buffer.alloc(0)));
    this.settingsTaken();
  }

  #noteTable(size: number): void {
    if (size < this.#tableSize) this.#smallerTable = Math.min(size, this.#smallerTable ?? size);
    this.#tableSize = size;
  }

  #noteWindow(size: number): void {
    if (size > MAX_31) throw new FrameError('a window that is too large', CODE.flowControl);
    const change = size - this.#output.initialWindow;
    this.#output.initialWindow = size;
    for (const { answer } of [...this.#streams.taken.values()]) answer.grant(change);
  }

  /** A pod that sees none of the requests takes many pings for an attack; what it sends itself it is answered as ever. */
  #ping({ flags, length, bytes }: Unit): Buffer | undefined {
    if (length !== 8) throw new FrameError('a ping of a wrong length', CODE.frameSize);
    if (!this.isSplit || flags & FLAG.ack) return bytes;
    this.#output.send(frame(TYPE.ping, FLAG.ack, 0, bytes.subarray(HEAD_BYTES)));
    return undefined;
  }

  #endCopies(stream: number): void {
    const copies = this.#streams.copied.get(stream);
    this.#streams.copied.delete(stream);
    for (const copy of copies ?? []) copy.end();
  }
}
