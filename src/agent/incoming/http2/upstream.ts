import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';

const SETTINGS = { enablePush: false, initialWindowSize: 1024 * 1024, maxHeaderListSize: 64 * 1024 };

/** An HTTP/2 session over a connection that is being made. */
export class Http2Upstream {
  /** Rejects as the connection does. */
  readonly ready: Promise<void>;
  #session: ClientHttp2Session | undefined;
  #closed = false;

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

  /** Requests that were sent and are not done. */
  open = 0;

  /** Only after `ready`. */
  request(headers: IncomingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    this.open += 1;
    const stream = this.#session!.request({ ...headers }, { endStream, waitForTrailers: !endStream });
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
    socket.on('error', () => {});
    const session = connect('http://pod', { createConnection: () => socket as never, settings: SETTINGS });
    session
      .on('error', () => {})
      .on('close', () => {
        this.#closed = true;
        socket.destroy();
      });
    this.#session = session;
  }
}
