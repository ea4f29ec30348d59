import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { resetSocket } from '../../../protocol/splice';
import { refusalText } from '../bad-gateway';
import { openToClient, type Taken } from '../connections';
import type { RequestFacts } from '../filter/compile';
import type { Route } from '../routing';
import { StreamDuplex } from '../stream-duplex';
import type { Subscriber } from '../subscriber';
import { copyRequest } from './copy';
import { passStream } from './pass-stream';
import { readBody } from './read-body';
import { Http2Upstream } from './upstream';

export interface Http2Options {
  taken: Taken;
  needsBody(): boolean;
  route(facts: RequestFacts): Route;
  connectToPod(): Promise<Socket>;
  pod?: Socket;
  onLag(subscriber: Subscriber): void;
}

/** Headers that announce more than one frame of settings: what gRPC servers allow. */
const SETTINGS = { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024, maxHeaderListSize: 64 * 1024 };

/** One HTTP/2 connection whose requests go to different places, each over a session of its own. */
export class Http2Connection {
  readonly #options: Http2Options;
  readonly #server: Http2Server;
  readonly #upstreams = new Map<Subscriber | undefined, Http2Upstream>();
  readonly #copies = new Map<Subscriber, Http2Upstream>();

  constructor(options: Http2Options) {
    this.#options = options;
    const { socket } = options.taken;
    this.#server = createServer({ settings: SETTINGS });
    this.#server.on('sessionError', () => socket.destroy());
    this.#server.on('stream', (stream, headers, flags) => {
      stream.on('error', () => {});
      this.#serve(stream, headers, (flags & END_STREAM) !== 0).catch(() => stream.close(INTERNAL_ERROR));
    });
    socket.once('close', () => this.#close());
    if (options.pod) this.#upstreams.set(undefined, new Http2Upstream(Promise.resolve(options.pod)));
    this.#server.emit('connection', socket);
  }

  async #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ended: boolean): Promise<void> {
    const facts = factsOf(headers);
    const ahead = this.#options.needsBody() && !ended ? await readBody(stream) : undefined;
    const { winner, copies } = this.#options.route({ ...facts, body: ahead?.body });
    for (const subscriber of copies) this.#copy(subscriber, stream, headers, ended);
    if (ahead) stream.unshift(ahead.read);
    let upstream = this.#upstreamFor(winner);
    try {
      await upstream.ready;
    } catch (error) {
      this.#upstreams.delete(winner);
      if (!winner) return resetSocket(this.#options.taken.socket);
      if (winner.params.fallback !== 'pod') return refuse(stream, refusalText(winner, error));
      upstream = this.#upstreamFor(undefined);
      await upstream.ready;
    }
    if (stream.destroyed) return;
    passStream(stream, upstream.request(headers, ended));
  }

  #upstreamFor(winner: Subscriber | undefined): Http2Upstream {
    const known = this.#upstreams.get(winner);
    if (known?.usable) return known;
    const made = new Http2Upstream(winner ? this.#openTo(winner) : this.#options.connectToPod());
    this.#upstreams.set(winner, made);
    return made;
  }

  async #openTo(subscriber: Subscriber): Promise<StreamDuplex> {
    return new StreamDuplex(await openToClient(subscriber, this.#options.taken, 'http2'));
  }

  #copy(subscriber: Subscriber, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ended: boolean): void {
    let upstream = this.#copies.get(subscriber);
    if (!upstream?.usable) {
      upstream = new Http2Upstream(this.#openTo(subscriber));
      this.#copies.set(subscriber, upstream);
    }
    copyRequest(upstream, stream, headers, ended, () => this.#options.onLag(subscriber));
  }

  #close(): void {
    for (const upstream of [...this.#upstreams.values(), ...this.#copies.values()]) upstream.close();
  }
}

const END_STREAM = 0x1;
const INTERNAL_ERROR = 0x2;

function factsOf(headers: IncomingHttpHeaders): RequestFacts {
  const plain = Object.entries(headers).filter(([name]) => !name.startsWith(':'));
  const list = plain.flatMap(([name, value]) => [value ?? ''].flat().map((text): [string, string] => [name, text]));
  const { ':method': method = '', ':path': target = '', ':authority': authority } = headers as Record<string, string>;
  return { method, target, headers: authority === undefined ? list : [['host', authority], ...list] };
}

function refuse(stream: ServerHttp2Stream, text: string): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': 502, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  stream.end(text);
  stream.resume();
}
