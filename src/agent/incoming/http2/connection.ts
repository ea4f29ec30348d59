import type { Socket } from 'node:net';
import { resetSocket } from '../../../protocol/splice';
import { answerAndEnd } from '../bad-gateway';
import type { Taken } from '../connections';
import type { RequestFacts } from '../filter/compile';
import type { Route } from '../routing';
import type { Subscriber } from '../subscriber';
import { CallerOutput } from './caller-output';
import { connectInTime } from './connect-in-time';
import { CODE, FrameError, frame, goawayFrame, HEAD_BYTES, MAX_31, resetFrame, TYPE } from './frame';
import { FrameReader } from './frame-reader';
import { FromCaller } from './from-caller';
import { FromPod } from './from-pod';
import type { Field } from './hpack/field';
import { MAX_BLOCK, MAX_HELD } from './limits';
import { Requests } from './requests';
import { Streams } from './streams';
import { Upstreams } from './upstreams';

export interface Http2Options {
  taken: Taken;
  needsBody(): boolean;
  route(facts: RequestFacts): Route;
  connectToPod(): Promise<Socket>;
  pod?: Socket;
  onLag(subscriber: Subscriber): void;
}

const PREFACE_BYTES = 24;
/** A server says what it allows as soon as it is connected to. Others that answer do not wait for one that is silent. */
const SETTINGS_LIMIT_MS = 1_000;
/** What is still under way to a caller that sends no more; servers mostly leave at once. */
const LINGER_MS = 5_000;

/**
 * One HTTP/2 connection whose requests go to different places. The pod has a connection with the same streams, and its frames pass both
 * ways as they are; requests of others are taken out of the one direction, and their answers put into the other.
 */
export class Http2Connection {
  readonly #options: Http2Options;
  readonly #caller: Socket;
  readonly #output: CallerOutput;
  readonly #streams = new Streams();
  readonly #upstreams: Upstreams;
  readonly #requests: Requests;
  readonly #fromCaller: FromCaller;
  readonly #fromPod: FromPod;
  readonly #callerReader: FrameReader;
  readonly #podReader: FrameReader;
  #pod: Socket | undefined;
  /** All bytes pass, whatever they are. */
  #isTunnel = false;
  /** What still arrives is nobody's. */
  #isOver = false;
  #held = 0;
  /** What the pod has said, while that does not tell whether it speaks HTTP/2 at all. */
  #greeting: Buffer = Buffer.alloc(0);
  #hasGreeted = false;
  #isStranger = false;
  #podEnd: 'end' | 'cut' | undefined;

  constructor(options: Http2Options) {
    const { taken, needsBody, route, connectToPod, onLag } = options;
    this.#options = options;
    this.#caller = taken.socket;
    const streams = this.#streams;
    const output = new CallerOutput(taken.socket);
    this.#output = output;
    this.#upstreams = new Upstreams(taken, connectToPod);
    const onDone = (id: number) => {
      streams.forget(id);
      if (this.#isPodOver) this.#endBehindLast();
    };
    const onHeld = (change: number) => {
      this.#held += change;
      this.#balance();
    };
    this.#fromCaller = new FromCaller(output, streams, {
      onRequest: (id, fields, ended) => this.#onRequest(id, fields, ended),
      onMaxFrame: (size) => {
        this.#podReader.maxFrame = size;
      },
    });
    this.#fromPod = new FromPod(output, streams, this.#fromCaller, {
      onMaxFrame: (size) => {
        this.#callerReader.maxFrame = size;
      },
    });
    this.#callerReader = new FrameReader(
      PREFACE_BYTES,
      MAX_BLOCK,
      (unit) => this.#fromCaller.replace(unit),
      (bytes) => this.#pod?.write(bytes),
    );
    this.#podReader = new FrameReader(
      0,
      MAX_BLOCK,
      (unit) => this.#fromPod.replace(unit),
      (bytes) => {
        output.pass(bytes);
        if (!output.isOpened) output.open();
      },
    );
    this.#requests = new Requests({
      streams,
      upstreams: this.#upstreams,
      host: { output, onHeld, onDone },
      needsBody,
      route,
      isTooLong: (fields) => this.#fromCaller.isTooLong(fields),
      onLag,
      onNoPod: () => resetSocket(taken.socket),
    });
    void this.#start();
  }

  async #start(): Promise<void> {
    const { pod = await connectInTime(this.#options.connectToPod()) } = this.#options;
    const caller = this.#caller;
    if (caller.destroyed) return void (pod && resetSocket(pod));
    caller
      .on('error', () => {})
      .on('data', (bytes: Buffer) => this.#onCaller(bytes))
      .on('end', () => this.#onCallerEnd())
      .on('close', () => this.#onCallerClose())
      .on('drain', () => this.#balance());
    if (pod) this.#startPod(pod);
    else this.#goAlone();
    // One that was paused by name does not flow for a listener alone.
    caller.resume();
  }

  #startPod(pod: Socket): void {
    this.#pod = pod;
    const limit = setTimeout(() => {
      if (this.#isStranger) this.#goAlone();
      else if (!this.#output.isOpened) this.#openAlone();
    }, SETTINGS_LIMIT_MS);
    pod
      .on('error', () => {})
      .on('data', (bytes: Buffer) => {
        if (this.#pod === pod) this.#onPod(bytes);
        if (this.#hasGreeted) clearTimeout(limit);
      })
      .on('end', () => this.#onPodOver(pod, 'end'))
      .on('close', () => {
        if (!pod.readableEnded) this.#onPodOver(pod, 'cut');
        // It takes nothing any more that somebody could wait for.
        this.#balance();
      })
      .on('drain', () => this.#balance());
    this.#caller.once('close', () => clearTimeout(limit));
    if (pod.destroyed) this.#onPodOver(pod, 'cut');
    else pod.resume();
  }

  /** There is no pod that speaks HTTP/2: what is not for others is nobody's. */
  #goAlone(): void {
    if (this.#isTunnel || this.#isOver) return;
    const pod = this.#pod;
    this.#pod = undefined;
    if (pod) resetSocket(pod);
    this.#fromCaller.isSplit = true;
    if (!this.#output.isOpened) this.#openAlone();
    this.#fromCaller.stayAlone();
  }

  /** Settings of ours: whatever the pod's server has to say comes on top of them. */
  #openAlone(): void {
    if (this.#isTunnel || this.#caller.destroyed) return;
    this.#fromCaller.ownSettings += 1;
    this.#output.pass(frame(TYPE.settings, 0, 0, Buffer.alloc(0)));
    this.#output.open();
  }

  /** It was there, and is no more. */
  get #isPodOver(): boolean {
    return this.#podEnd !== undefined && this.#pod !== undefined && this.#hasGreeted;
  }

  #onRequest(id: number, fields: Field[], ended: boolean): boolean {
    if (this.#isPodOver) {
      this.#output.send(resetFrame(id, CODE.refusedStream));
      this.#streams.forget(id);
      return true;
    }
    // The caller takes it for not seen, so nobody may see it.
    if (id > this.#fromPod.lastStream) return false;
    const isTaken = this.#requests.begin(id, fields, ended);
    if (this.#isStranger && this.#pod) {
      if (isTaken) this.#goAlone();
      else queueMicrotask(() => this.#tunnel());
    }
    if (isTaken || this.#pod) return isTaken;
    this.#isOver = true;
    resetSocket(this.#caller);
    return true;
  }

  #onCaller(bytes: Buffer): void {
    if (this.#isOver) return;
    const pod = this.#pod;
    if (this.#isTunnel) pod?.write(bytes);
    else {
      // What is written anew leaves in one piece with what is not.
      const isCorked = this.#fromCaller.isSplit;
      if (isCorked) pod?.cork();
      this.#read(this.#callerReader, bytes, (error) => error.code);
      if (isCorked) pod?.uncork();
    }
    this.#balance();
  }

  #onPod(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#isTunnel) this.#output.pass(bytes);
    else if (this.#hasGreeted) this.#read(this.#podReader, bytes, () => CODE.internal);
    else this.#greet(bytes);
    this.#balance();
  }

  #greet(bytes: Buffer): void {
    const greeting = Buffer.concat([this.#greeting, bytes]);
    this.#greeting = greeting;
    const isHttp2 = this.#isStranger ? false : saysSettings(greeting);
    if (isHttp2 === false) this.#onStranger();
    if (!isHttp2) return;
    this.#hasGreeted = true;
    this.#greeting = Buffer.alloc(0);
    this.#read(this.#podReader, greeting, () => CODE.internal);
  }

  /** The caller may hear it from the pod itself, unless all that it asks for is answered by others. */
  #onStranger(): void {
    this.#isStranger = true;
    if (this.#fromCaller.isSplit) this.#goAlone();
    else if (this.#streams.highest > 0) this.#tunnel();
    else if (this.#greeting.length > MAX_HELD) this.#pod?.pause();
  }

  /** @param toCode What a caller is told. */
  #read(reader: FrameReader, bytes: Buffer, toCode: (error: FrameError) => number): void {
    try {
      reader.read(bytes);
    } catch (error) {
      const found = error instanceof FrameError ? error : new FrameError('something unforeseen', CODE.internal);
      if (this.#fromCaller.isSplit) this.#giveUp(toCode(found));
      else this.#tunnel();
    }
  }

  /** The two of them know better what it is that is not HTTP/2 as we read it, and have said nothing to each other that we changed. */
  #tunnel(): void {
    if (this.#isTunnel || this.#isOver) return;
    this.#isTunnel = true;
    this.#output.open();
    this.#output.pass(this.#greeting);
    this.#passRest();
    this.#cutCopies();
    if (this.#podEnd) this.#endWithPod(this.#podEnd);
  }

  #passRest(): void {
    const { rest } = this.#callerReader;
    if (rest.length > 0 && !this.#pod?.writableEnded) this.#pod?.write(rest);
    if (this.#podReader.rest.length > 0) this.#output.pass(this.#podReader.rest);
  }

  #giveUp(code: number): void {
    this.#isOver = true;
    this.#cancelAll();
    if (this.#pod) resetSocket(this.#pod);
    answerAndEnd(this.#caller, goawayFrame(this.#streams.highest, code));
  }

  /** Nobody reads on while what was read has nowhere to go. */
  #balance(): void {
    const caller = this.#caller;
    const pod = this.#pod;
    const isFull = pod?.writableNeedDrain === true || this.#held > MAX_HELD || caller.writableLength > MAX_HELD;
    if (isFull && !this.#isOver) caller.pause();
    else if (caller.isPaused()) caller.resume();
    if (this.#output.isFull) pod?.pause();
    else if (pod?.isPaused()) pod.resume();
  }

  /** A caller that sends no more is one that has gone: HTTP/2 knows no half of a connection. */
  #onCallerEnd(): void {
    if (this.#isOver) return;
    if (!this.#fromCaller.isSplit && !this.#isTunnel) this.#tunnel();
    this.#cancelAll();
    this.#pod?.end();
    const limit = setTimeout(() => this.#caller.destroy(), LINGER_MS);
    this.#caller.once('close', () => clearTimeout(limit));
    if (!this.#pod || this.#isPodOver) this.#caller.end();
  }

  #onCallerClose(): void {
    this.#isOver = true;
    this.#cancelAll();
    this.#upstreams.close();
    const pod = this.#pod;
    if (pod && !(this.#caller.readableEnded && pod.readableEnded)) resetSocket(pod);
  }

  #onPodOver(pod: Socket, end: 'end' | 'cut'): void {
    if (this.#podEnd || this.#isOver || this.#pod !== pod) return;
    this.#podEnd = end;
    if (this.#isTunnel) this.#endWithPod(end);
    else if (!this.#hasGreeted) this.#onStranger();
    else if (!this.#fromCaller.isSplit) this.#tunnel();
    else if (this.#streams.taken.size === 0) this.#endWithPod(end);
    else this.#endBehindTaken(end);
  }

  #endWithPod(end: 'end' | 'cut'): void {
    if (end === 'cut') resetSocket(this.#caller);
    else this.#caller.end();
  }

  /** Those whom others answer are answered; all else is told that nobody will. */
  #endBehindTaken(end: 'end' | 'cut'): void {
    if (this.#fromPod.hasLeft && end === 'end') return;
    const { toPod, highest } = this.#streams;
    const resets = toPod.between(0, MAX_31).map((id) => resetFrame(id, CODE.cancel));
    this.#output.send(goawayFrame(Math.min(highest, this.#fromPod.lastStream), CODE.noError), ...resets);
  }

  #endBehindLast(): void {
    if (this.#streams.taken.size === 0 && !this.#isOver) this.#caller.end();
  }

  #cancelAll(): void {
    for (const stream of [...this.#streams.taken.values()]) stream.cancel(CODE.cancel);
    this.#cutCopies();
  }

  #cutCopies(): void {
    for (const id of [...this.#streams.copied.keys()]) this.#streams.cutCopies(id);
  }
}

/** Whether those are the first bytes of a server of HTTP/2; undefined while they are too few. */
function saysSettings(bytes: Buffer): boolean | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const isSettings = bytes[3] === TYPE.settings && bytes[4] === 0 && bytes.readUInt32BE(5) === 0;
  return isSettings && bytes.readUIntBE(0, 3) % 6 === 0;
}
