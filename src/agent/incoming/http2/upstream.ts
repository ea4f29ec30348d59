import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { isSessionOver } from '../stream-duplex';
import { LIMITS, SETTINGS } from './limits';

/** An HTTP/2 session over a connection that is being made. */
export class Http2Upstream {
  /** Rejects as the connection does. */
  readonly ready: Promise<void>;
  /** Requests that were sent and are not done. */
  open = 0;
  #session: ClientHttp2Session | undefined;
  #closed = false;
  #isOver = false;

  constructor(connecting: Promise<Duplex>) {
    this.ready = connecting.then((socket) => this.#start(socket));
    // It is asked for after other things that may take a while.
    this.ready.catch(() => {
      this.#closed = true;
    });
  }

  get usable(): boolean {
    return !this.#closed && !this.#session?.closed && !this.#session?.destroyed;
  }

  /** Whether the client at the other end is gone, its session with it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Only after `ready`. Throws what Node does for headers it does not send. */
  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    const stream = this.#session!.request(headers, { endStream, waitForTrailers: !endStream });
    this.open += 1;
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
      .on('close', () => {
        this.#closed = true;
        socket.destroy();
      });
    this.#session = session;
  }
}
