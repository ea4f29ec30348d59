import {
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { resetSocket } from '../../../protocol/splice';
import { refusalText } from '../bad-gateway';
import { openToClient, type Taken } from '../connections';
import type { RequestFacts } from '../filter/compile';
import type { Route } from '../routing';
import { StreamDuplex } from '../stream-duplex';
import type { Subscriber } from '../subscriber';
import { copyRequest } from './copy';
import { passedOn } from './header-list';
import { LIMITS, MAX_STREAMS, SETTINGS } from './limits';
import { isOpen, type PassedRequest, passStream, receiveTrailers } from './pass-stream';
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

interface Request extends PassedRequest {
  headers: OutgoingHttpHeaders;
}

/** One HTTP/2 connection whose requests go to different places, each over a session of its own. */
export class Http2Connection {
  readonly #options: Http2Options;
  readonly #upstreams = new Map<Subscriber | undefined, Http2Upstream>();
  readonly #copies = new Map<Subscriber, Http2Upstream>();
  #session: ServerHttp2Session | undefined;
  /** Of the caller's streams. */
  #highest = 0;

  constructor(options: Http2Options) {
    this.#options = options;
    const { socket } = options.taken;
    socket.once('close', () => this.#close());
    const pod = this.#upstreamFor(undefined, options.pod && Promise.resolve(options.pod));
    // The caller is told what the pod's server allows, and most look at what comes first only.
    void pod.settings(SETTINGS_LIMIT_MS).then((settings) => {
      if (!socket.destroyed) this.#listen(settings?.enableConnectProtocol === true);
    });
  }

  /** @param enableConnectProtocol Whether requests may ask for a tunnel of another protocol, such as WebSocket. */
  #listen(enableConnectProtocol: boolean): void {
    const { socket } = this.#options.taken;
    const settings = { ...SETTINGS, maxConcurrentStreams: MAX_STREAMS, enableConnectProtocol };
    const server = createServer({ ...LIMITS, settings });
    server.on('sessionError', () => socket.destroy());
    server.on('session', (session) => {
      this.#session = session;
    });
    server.on('stream', (stream, headers, flags, raw: string[] = []) => {
      stream.on('error', () => {});
      this.#highest = Math.max(this.#highest, stream.id ?? 0);
      const ended = (flags & END_STREAM) !== 0;
      const trailers = ended ? () => ({}) : receiveTrailers(stream);
      const request = { stream, headers: passedOn(headers, raw), trailers, ended };
      this.#serve(request, factsOf(headers, raw)).catch(() => stream.close(INTERNAL_ERROR));
    });
    server.emit('connection', socket);
  }

  async #serve(request: Request, facts: RequestFacts): Promise<void> {
    const { stream, ended } = request;
    const ahead = this.#options.needsBody() && !ended ? await readBody(stream) : undefined;
    const { winner, copies } = this.#options.route({ ...facts, body: ahead?.body });
    if (ahead) stream.unshift(ahead.read);
    let upstream: Http2Upstream | undefined;
    let failure: unknown;
    try {
      upstream = await this.#reach(winner);
    } catch (error) {
      failure = error;
    }
    if (!isOpen(stream)) return;
    // In the breath in which it begins to be read: whoever comes later misses what the others have had.
    for (const subscriber of copies) this.#copy(subscriber, request);
    if (upstream) this.#pass(request, upstream, winner);
    else if (winner) refuse(stream, refusalText(winner, failure));
    else resetSocket(this.#options.taken.socket);
  }

  async #reach(winner: Subscriber | undefined): Promise<Http2Upstream> {
    const upstream = this.#upstreamFor(winner);
    try {
      await upstream.ready;
      return upstream;
    } catch (error) {
      if (this.#upstreams.get(winner) === upstream) this.#upstreams.delete(winner);
      if (winner?.params.fallback !== 'pod') throw error;
      return this.#reach(undefined);
    }
  }

  #pass(request: Request, upstream: Http2Upstream, winner: Subscriber | undefined): void {
    const other = upstream.request(request.headers, request.ended);
    upstream.numbers.note(other.id ?? 0, request.stream.id ?? 0);
    passStream(request, other, () => {
      if (!winner || !upstream.isOver) return false;
      refuse(request.stream, refusalText(winner, { message: 'their process has ended' }));
      return true;
    });
  }

  #upstreamFor(winner: Subscriber | undefined, connected?: Promise<Socket>): Http2Upstream {
    const known = this.#upstreams.get(winner);
    if (known?.usable) return known;
    const made = new Http2Upstream(winner ? this.#openTo(winner) : (connected ?? this.#options.connectToPod()));
    this.#upstreams.set(winner, made);
    if (!winner) this.#passGoaway(made);
    return made;
  }

  /** A pod's server that takes no more requests means the caller to know. A developer's does not: the next one may come to the pod. */
  #passGoaway(pod: Http2Upstream): void {
    let leaving = false;
    pod.onGoaway = (code, lastStream, data) => {
      leaving = true;
      if (!this.#session?.destroyed) this.#session?.goaway(code, pod.numbers.lastSeen(lastStream, this.#highest), data);
    };
    pod.onClose = () => {
      if (leaving) this.#session?.close();
    };
  }

  async #openTo(subscriber: Subscriber): Promise<StreamDuplex> {
    return new StreamDuplex(await openToClient(subscriber, this.#options.taken, 'http2'));
  }

  #copy(subscriber: Subscriber, { stream, headers, ended }: Request): void {
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

/** A server says what it allows as soon as it is connected to. */
const SETTINGS_LIMIT_MS = 1_000;
const END_STREAM = 0x1;
const INTERNAL_ERROR = 0x2;

function factsOf(headers: IncomingHttpHeaders, raw: string[]): RequestFacts {
  const { ':method': method = '', ':path': target = '', ':authority': authority } = headers as Record<string, string>;
  const list: [string, string][] = authority === undefined ? [] : [['host', authority]];
  for (let at = 0; at < raw.length; at += 2) if (!raw[at]!.startsWith(':')) list.push([raw[at]!, raw[at + 1]!]);
  return { method, target, headers: list };
}

function refuse(stream: ServerHttp2Stream, text: string): void {
  if (!isOpen(stream)) return;
  // The rest of the request may still come, and is of no use to anybody.
  stream.unpipe();
  stream.respond({ ':status': 502, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  stream.end(text);
  stream.resume();
}
