import type { CallerOutput } from './caller-output';
import { CODE, FLAG, HEAD_BYTES, MAX_31, resetFrame, SETTING, TYPE, type Unit } from './frame';
import { DEFAULT_MAX_FRAME } from './frame-reader';
import type { FromCaller } from './from-caller';
import { MAX_FRAME, MAX_LIST, MAX_TABLE } from './limits';
import { readSettings } from './read-payload';
import type { Streams } from './streams';

const DEFAULT_TABLE = 4_096;

export interface PodEvents {
  /** The caller's frames may be that long from now on, and no longer. */
  onMaxFrame(size: number): void;
}

/** What becomes of each frame of the pod's server. Its headers are never read: what others add leaves the caller's table as it is. */
export class FromPod {
  readonly #output: CallerOutput;
  readonly #streams: Streams;
  readonly #caller: FromCaller;
  readonly #events: PodEvents;
  #tableLimit = DEFAULT_TABLE;
  /** The last stream that the caller has been told of, by a server that leaves. */
  lastStream = MAX_31;
  hasLeft = false;

  constructor(output: CallerOutput, streams: Streams, caller: FromCaller, events: PodEvents) {
    this.#output = output;
    this.#streams = streams;
    this.#caller = caller;
    this.#events = events;
  }

  /** Gives what goes to the caller now. Throws FrameError. */
  replace(unit: Unit): Buffer | undefined {
    const { type, stream, length, bytes } = unit;
    let data = 0;
    if (type === TYPE.data) data = length;
    else if (type === TYPE.headers || type === TYPE.pushPromise) this.#output.tableSizeDue = undefined;
    else if (type === TYPE.settings) this.#settings(unit);
    else if (type === TYPE.reset) this.#streams.cutCopies(stream);
    else if (type === TYPE.goaway && length >= 8) return this.#goaway(unit);
    // Room for what the caller sends must not wait for room for what it gets.
    else if (type === TYPE.windowUpdate) return bytes;
    return this.#output.admit(bytes, data) ? bytes : undefined;
  }

  #settings(unit: Unit): void {
    if (unit.flags & FLAG.ack) {
      this.#caller.settingsTaken();
      return;
    }
    readSettings(unit, (id, value) => {
      if (id === SETTING.tableSize) {
        this.#tableLimit = Math.max(this.#tableLimit, Math.min(value, MAX_TABLE));
        this.#caller.tableLimit = this.#tableLimit;
        return Math.min(value, MAX_TABLE);
      }
      if (id === SETTING.maxFrame && value >= DEFAULT_MAX_FRAME) {
        this.#caller.podMaxFrame = Math.min(value, MAX_FRAME);
        this.#events.onMaxFrame(this.#caller.podMaxFrame);
        return this.#caller.podMaxFrame;
      }
      if (id === SETTING.maxHeaderList) this.#caller.maxList = Math.max(MAX_LIST.least, Math.min(value, MAX_LIST.most));
      return value;
    });
  }

  /**
   * What others have served counts as seen, as nobody may send it twice. Of the pod's requests below that, those that its server has not
   * looked at are told so one by one.
   */
  #goaway({ bytes }: Unit): Buffer | undefined {
    const last = bytes.readUInt32BE(HEAD_BYTES) & MAX_31;
    let all = bytes;
    if (last < MAX_31) {
      // What was said once must not rise.
      const raised = Math.min(this.lastStream, Math.max(last, this.#streams.highestTaken));
      bytes.writeUInt32BE(raised, HEAD_BYTES);
      const unseen = this.#streams.toPod.between(last, raised);
      if (unseen.length > 0) all = Buffer.concat([bytes, ...unseen.map((id) => resetFrame(id, CODE.refusedStream))]);
      this.lastStream = raised;
    }
    this.hasLeft = true;
    return this.#output.admit(all, 0) ? all : undefined;
  }
}
