import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type Settings,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { isSessionOver } from '../stream-duplex';
import { StreamNumbers } from './goaway';
import { LIMITS, SETTINGS } from './limits';

/** An HTTP/2 session over a connection that is being made. */
export class Http2Upstream {
  /** Rejects as the connection does. */
  readonly ready: Promise<void>;
  readonly numbers = new StreamNumbers();
  /** The server takes no more requests: its code, and the last stream it has looked at. May come more than once. */
  onGoaway: (code: number, lastStream: number, data?: Uint8Array) => void = () => {};
  onClose: () => void = () => {};
  #session: ClientHttp2Session | undefined;
  readonly #said: Promise<Settings | undefined>;
  #say: (settings: Settings | undefined) => void = () => {};
  #closed = false;
  #isOver = false;

  constructor(connecting: Promise<Duplex>) {
    this.#said = new Promise((resolve) => {
      this.#say = resolve;
    });
    this.ready = connecting.then((socket) => this.#start(socket));
    // It is asked for after other things that may take a while.
    this.ready.catch(() => {
      this.#closed = true;
      this.#say(undefined);
    });
  }

  get usable(): boolean {
    return !this.#closed && !this.#session?.closed && !this.#session?.destroyed;
  }

  /** Whether the client at the other end is gone, its session with it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What the server has said first; undefined when it has said nothing within `limitMs`, or cannot be reached. */
  settings(limitMs: number): Promise<Settings | undefined> {
    return new Promise((resolve) => {
      const limit = setTimeout(() => resolve(undefined), limitMs);
      this.#said.then((settings) => {
        clearTimeout(limit);
        resolve(settings);
      });
    });
  }

  /** Requests that were sent and are not done. */
  open = 0;

  /** Only after `ready`. */
  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    this.open += 1;
    const stream = this.#session!.request(headers, { endStream, waitForTrailers: !endStream });
    stream.once('close', () => {
      this.open -= 1;
    });
    return stream;
  }

  close(): void {
    this.#closed = true;
    this.#session?.destroy();
  }

  #start(socket: Duplex): void {
    if (this.#closed) {
      socket.destroy();
      this.#say(undefined);
      return;
    }
    socket.on('error', (error) => {
      this.#isOver = isSessionOver(error);
    });
    const session = connect('http://pod', {
      ...LIMITS,
      createConnection: () => socket as never,
      settings: { ...SETTINGS, enablePush: false },
    });
    session
      .on('error', () => {})
      .once('remoteSettings', (settings) => this.#say(settings))
      .on('goaway', (code: number, lastStream: number, data?: Uint8Array) => this.onGoaway(code, lastStream, data))
      .on('close', () => {
        this.#closed = true;
        this.#say(undefined);
        socket.destroy();
        this.onClose();
      });
    this.#session = session;
  }
}
