import { Connection, type ConnectionOptions } from '../../src/protocol/connection';
import type { OpenAnswer, OpenRequest } from '../../src/protocol/contract';
import { FrameDecoder } from '../../src/protocol/decoder';
import { type Frame, makeFrame } from '../../src/protocol/frame';
import { INITIAL_WINDOW } from '../../src/protocol/limits';
import type { Clock } from '../../src/protocol/timer';

export const TCP: OpenRequest = { kind: 'tcp', host: 'db', port: 5432 };
export const ANSWER: OpenAnswer = {
  podAddress: { address: '10.0.0.1', port: 4000, family: 4 },
  peerAddress: { address: '10.0.0.2', port: 5432, family: 4 },
};

/** Lets everything run that waits for nothing but its turn. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Time that stands still until it is told to pass. */
export class TestClock implements Clock {
  time = 1_000;
  #timers: { at: number; run: () => void }[] = [];
  /** What the machine has slept: the time of day goes on, all else stands still. */
  slept = 0;
  now = () => this.time;
  wall = () => this.time + this.slept;
  setTimer = (ms: number, run: () => void) => {
    const timer = { at: this.time + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  get pending(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }
}

/** Bytes under way in one direction. */
class Way {
  bytes: Buffer = Buffer.alloc(0);
  full = false;
}

/** Two ends joined by a pipe that hands over as many bytes as it is told, and loses what it holds when it is cut. */
export class World {
  readonly clock = new TestClock();
  readonly client: Connection;
  readonly agent: Connection;
  readonly toAgent = new Way();
  readonly toClient = new Way();
  /** Bytes the pipe takes before it says that it is full. */
  capacity = 128 * 1024;

  constructor(options: { client?: Partial<ConnectionOptions>; agent?: Partial<ConnectionOptions> } = {}) {
    const common = { now: this.clock.now, setTimer: this.clock.setTimer, peerWindow: INITIAL_WINDOW };
    this.client = new Connection({ role: 'client', ...common, ...options.client });
    this.agent = new Connection({ role: 'agent', ...common, ...options.agent });
    this.connect();
  }

  connect(): void {
    const [clientHas, agentHas] = [this.client.received, this.agent.received];
    this.client.attach((buffers) => this.#take(this.toAgent, buffers), agentHas);
    this.agent.attach((buffers) => this.#take(this.toClient, buffers), clientHas);
  }

  cut(): void {
    this.client.detach();
    this.agent.detach();
    this.toAgent.bytes = Buffer.alloc(0);
    this.toClient.bytes = Buffer.alloc(0);
  }

  /** Hands over at most that many bytes, as one chunk. */
  deliver(direction: 'toAgent' | 'toClient', bytes: number): void {
    const way = this[direction];
    const chunk = way.bytes.subarray(0, bytes);
    way.bytes = way.bytes.subarray(bytes);
    const [from, to] = direction === 'toAgent' ? [this.client, this.agent] : [this.agent, this.client];
    if (chunk.byteLength > 0) to.receive(Buffer.from(chunk));
    if (way.full && way.bytes.byteLength < this.capacity) {
      way.full = false;
      from.writable();
    }
  }

  /** Runs until nothing moves any more. */
  async drain(): Promise<void> {
    await settle();
    while (this.toAgent.bytes.byteLength + this.toClient.bytes.byteLength > 0) {
      this.deliver('toAgent', this.capacity);
      this.deliver('toClient', this.capacity);
      await settle();
    }
  }

  #take(way: Way, buffers: Uint8Array[]): boolean {
    way.bytes = Buffer.concat([way.bytes, ...buffers]);
    way.full = way.bytes.byteLength >= this.capacity;
    return !way.full;
  }
}

/** A peer made of bare frames, that may say what no end of ours would. */
export class RawPeer {
  readonly frames: Frame[] = [];
  readonly connection: Connection;
  readonly clock = new TestClock();
  readonly #decoder = new FrameDecoder();

  constructor(role: 'client' | 'agent', options: Partial<ConnectionOptions> = {}) {
    const { now, setTimer } = this.clock;
    this.connection = new Connection({ role, now, setTimer, peerWindow: INITIAL_WINDOW, ...options });
    this.connection.attach((buffers) => {
      this.#decoder.push(Buffer.concat(buffers));
      for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) this.frames.push(frame);
      return true;
    });
  }

  async send(type: number, id: number, payload: Uint8Array | Uint8Array[] = [], flags = 0): Promise<void> {
    const parts = payload instanceof Uint8Array ? [payload] : payload;
    this.connection.receive(Buffer.concat(makeFrame(type, flags, id, parts).buffers));
    await settle();
  }

  of(type: number): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}
