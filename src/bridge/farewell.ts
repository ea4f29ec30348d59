import type { Duplex } from 'node:stream';
import { FrameType, HEADER_BYTES, makeFrame, readU32 } from '../protocol/frame';
import { encodeGoaway, GoawayCode } from '../protocol/goaway';
import { MAX_FRAME_PAYLOAD } from '../protocol/limits';

/**
 * How often, and for how long, it is asked what became of somebody whose connection has ended, in milliseconds. Who has only
 * lost the link dials again at once, so the time is for a machine that is busy.
 */
const ASK_EVERY = 50;
const ASK_FOR = 5_000;

export interface Attached {
  pid: number;
  /** Whether the same thread of that process has attached anew. */
  isBack: () => boolean;
}

/**
 * Passes on what an attached process sends, and says goodbye in its place when it was killed, or its thread ended. Without
 * that the agent would keep its session and its connections in the pod for the grace time of a lost link, for somebody who
 * cannot come back; and a test runner that ends threads by the dozen would soon be told that there is no room for more.
 *
 * Only the headers of frames are looked at, and what is not a whole frame yet is held back: a goodbye has to stand between two
 * of them, and who is killed in the middle of one would leave half of it.
 */
export function passOnWithFarewell(from: Duplex, to: Duplex, attached: Attached): void {
  const frames = new WholeFrames();
  from.on('data', (chunk: Buffer) => {
    const whole = frames.take(chunk);
    if (!whole) return void from.destroy();
    if (!to.writable) return;
    to.cork();
    for (const bytes of whole) to.write(bytes);
    to.uncork();
    if (to.writableNeedDrain) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.on('error', () => {});
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    if (frames.lastType === FrameType.GOAWAY) return leave(to);
    whenDecided(attached, (gone) => {
      if (gone && to.writable) to.write(goodbye());
      leave(to);
    });
  };
  // Only its own half ends when the process does; what the agent still sends has nobody left.
  from.once('end', end);
  from.once('close', end);
  if (from.destroyed) to.destroy();
}

function leave(to: Duplex): void {
  if (to.destroyed) return;
  to.resume();
  to.end(() => to.destroy());
}

function goodbye(): Buffer {
  const payload = encodeGoaway({ code: GoawayCode.NORMAL, lastStream: 0, text: 'the process or thread was ended' });
  return Buffer.concat(makeFrame(FrameType.GOAWAY, 0, 0, payload).buffers);
}

/** The system closes the connections of a killed process some moments before the process is gone. */
function whenDecided(attached: Attached, done: (gone: boolean) => void, waited = 0): void {
  if (attached.isBack()) done(false);
  else if (!isAlive(attached.pid) || waited >= ASK_FOR) done(true);
  else setTimeout(() => whenDecided(attached, done, waited + ASK_EVERY), ASK_EVERY);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Cuts a stream of frames where frames end. */
class WholeFrames {
  /** Of the last frame that was whole. */
  lastType = 0;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerLength = 0;
  private payloadLeft = 0;
  /** The beginning of a frame whose end has not come. */
  private begun: Buffer[] = [];

  /** What is whole by now, with what was held back. Undefined: no frame is as long as the one that begins here. */
  take(chunk: Buffer): Buffer[] | undefined {
    let border = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.payloadLeft > 0) {
        const step = Math.min(this.payloadLeft, chunk.length - at);
        this.payloadLeft -= step;
        at += step;
      } else {
        const step = Math.min(HEADER_BYTES - this.headerLength, chunk.length - at);
        chunk.copy(this.header, this.headerLength, at, at + step);
        this.headerLength += step;
        at += step;
        if (this.headerLength < HEADER_BYTES) break;
        this.payloadLeft = readU32(this.header, 8);
        if (this.payloadLeft > MAX_FRAME_PAYLOAD) return undefined;
      }
      if (this.payloadLeft > 0) continue;
      this.lastType = this.header.readUInt8(1);
      this.headerLength = 0;
      border = at;
    }
    const whole = border > 0 ? [...this.begun, chunk.subarray(0, border)] : [];
    const rest = chunk.subarray(border);
    if (border > 0) this.begun = [];
    if (rest.length > 0) this.begun.push(rest);
    return whole;
  }
}
