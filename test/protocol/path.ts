import { Connection } from '../../src/protocol/connection';
import { INITIAL_WINDOW } from '../../src/protocol/limits';
import { settle, TestClock } from './world';

/** Milliseconds of one step of the time: what happens within one is seen at its end. */
export const STEP = 0.5;

export interface PathOptions {
  /** Milliseconds from one end to the other. */
  delayMs: number;
  bytesPerMs: number;
  /** What buffers below the link take before a write answers false. */
  capacity?: number;
}

/** One direction: bytes leave one after the other at a rate, and arrive after a delay. */
class Lane {
  #freeAt = 0;
  #waiting = 0;
  #wasFull = false;
  onDrain = () => {};
  onArrival = (_bytes: Uint8Array) => {};

  constructor(
    private readonly clock: TestClock,
    private readonly options: PathOptions,
  ) {}

  write(buffers: Uint8Array[]): boolean {
    const { delayMs, bytesPerMs, capacity = 4 * 1024 * 1024 } = this.options;
    const bytes = Buffer.concat(buffers);
    const { clock } = this;
    this.#waiting += bytes.byteLength;
    this.#freeAt = Math.max(this.#freeAt, clock.now()) + bytes.byteLength / bytesPerMs;
    clock.setTimer(this.#freeAt - clock.now(), () => {
      this.#waiting -= bytes.byteLength;
      if (!this.#wasFull || this.#waiting > capacity / 2) return;
      this.#wasFull = false;
      this.onDrain();
    });
    clock.setTimer(this.#freeAt + delayMs - clock.now(), () => this.onArrival(bytes));
    this.#wasFull ||= this.#waiting >= capacity;
    return !this.#wasFull;
  }
}

/** Two ends joined by a path with a rate and a delay, in a time that passes only when it is told to. */
export class Path {
  readonly clock = new TestClock();
  readonly client: Connection;
  readonly agent: Connection;

  constructor(options: PathOptions) {
    const { clock } = this;
    const make = (role: 'client' | 'agent') =>
      new Connection({ role, now: clock.now, setTimer: clock.setTimer, peerWindow: INITIAL_WINDOW });
    this.client = make('client');
    this.agent = make('agent');
    const join = (from: Connection, to: Connection) => {
      const lane = new Lane(clock, options);
      lane.onDrain = () => from.writable();
      lane.onArrival = (bytes) => to.receive(bytes);
      return (buffers: Uint8Array[]) => lane.write(buffers);
    };
    const [toAgent, toClient] = [join(this.client, this.agent), join(this.agent, this.client)];
    this.client.attach(toAgent);
    this.agent.attach(toClient);
  }

  /** Lets time pass, step by step, with all that happens in each step. */
  async pass(ms: number, stepMs = STEP): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      await settle();
    }
  }
}
