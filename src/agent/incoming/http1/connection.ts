import type { Socket } from 'node:net';
import { resetSocket } from '../../../protocol/splice';
import { answerAndEnd, badGateway, refusalText } from '../bad-gateway';
import { openToClient, type Taken } from '../connections';
import type { RequestFacts } from '../filter/compile';
import { joinSockets } from '../join-sockets';
import { MirrorCopy } from '../mirror';
import type { Route } from '../routing';
import { isSessionOver, StreamDuplex } from '../stream-duplex';
import type { Subscriber } from '../subscriber';
import { BodyScanner } from './body';
import { ByteSource, send } from './byte-source';
import { Destination } from './destination';
import { findHead, hasBegun, MalformedMessage, parseRequest, type RequestHead } from './head';
import { type ReadAhead, readAhead } from './read-ahead';
import { AnswerCut, passResponse } from './response';

export interface Http1Options {
  taken: Taken;
  /** Whether a filter has to see bodies; asked for each request. */
  needsBody(): boolean;
  route(facts: RequestFacts): Route;
  connectToPod(): Promise<Socket>;
  /** Connected before it was known what the client speaks. */
  pod?: Socket;
  /** Gets all bytes of the client, for copies without a filter. */
  onBytes?: (bytes: Buffer) => void;
  onLag(subscriber: Subscriber): void;
}

/** From the first byte of a head that comes in pieces to its last. Then it is the application's to wait, as long as it likes. */
const HEAD_LIMIT_MS = 10_000;

const NOTHING: Buffer = Buffer.alloc(0);
const NOTHING_READ: ReadAhead = { pieces: [], body: undefined };
const BAD_REQUEST = Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');

/**
 * One connection whose requests go to different places, one after another. Messages are told apart and passed on as the bytes
 * they are: names, order, chunks, trailers and interim answers stay as both ends wrote them.
 */
export class Http1Connection {
  readonly #options: Http1Options;
  readonly #client: Socket;
  readonly #source: ByteSource;
  readonly #destinations = new Map<Subscriber | undefined, Destination>();
  readonly #copies = new Map<Subscriber, MirrorCopy>();
  #last: Destination | undefined;
  #isIdle = true;

  constructor(options: Http1Options) {
    this.#options = options;
    this.#client = options.taken.socket;
    this.#source = new ByteSource(this.#client);
    this.#source.onBytes = options.onBytes;
    this.#source.onClose = () => this.#abandon();
    if (options.pod) this.#destinations.set(undefined, new Destination(options.pod, undefined));
  }

  /** Resolves when nothing more is left to decide; never rejects. */
  async serve(): Promise<void> {
    try {
      for (let head = await this.#nextRequest(); head; head = await this.#nextRequest()) {
        // It was told that the connection ends, and has crossed that with a request: nobody answers it here, nor there.
        if (this.#client.writableEnded) return resetSocket(this.#client);
        if (!(await this.#serveRequest(head))) return;
      }
      for (const { socket } of this.#destinations.values()) socket.end();
      this.#client.end();
    } catch (error) {
      if (error instanceof MalformedMessage) return await this.#passRest();
      resetSocket(this.#client);
      this.#abandon();
    } finally {
      for (const copy of this.#copies.values()) copy.end();
    }
  }

  /** Looks before it waits: what can be decided at once costs no turn. */
  #nextRequest(): RequestHead | undefined | Promise<RequestHead | undefined> {
    this.#isIdle = true;
    // The server that answered last has ended in the same breath.
    if (this.#last?.source.ended) this.#client.end();
    return this.#takeHead() ?? this.#waitForHead();
  }

  #takeHead(): RequestHead | undefined {
    const { buffered } = this.#source;
    const length = findHead(buffered);
    if (length === 0) return undefined;
    // Parsed before it is taken: what cannot be parsed is passed on whole.
    const head = parseRequest(buffered.subarray(0, length));
    this.#source.take(length);
    this.#isIdle = false;
    return head;
  }

  async #waitForHead(): Promise<RequestHead | undefined> {
    let deadline: number | undefined;
    for (;;) {
      if (this.#isIdle && hasBegun(this.#source.buffered)) {
        this.#isIdle = false;
        deadline = performance.now() + HEAD_LIMIT_MS;
      }
      if (!(await this.#source.more(deadline))) break;
      const head = this.#takeHead();
      if (head) return head;
    }
    if (this.#source.buffered.length > 0) throw new MalformedMessage('a head without an end');
    return undefined;
  }

  /** Whether the connection goes on to a next request. */
  #serveRequest(head: RequestHead): Promise<boolean> {
    const scanner = new BodyScanner(head.framing);
    // Who waits for an invitation sends no body before it: there is nothing to look at.
    if (!this.#options.needsBody() || head.headers.some(([name]) => name.toLowerCase() === 'expect'))
      return this.#route(head, scanner, NOTHING_READ);
    return readAhead(this.#source, scanner).then((ahead) => this.#route(head, scanner, ahead));
  }

  #route(head: RequestHead, scanner: BodyScanner, { pieces, body }: ReadAhead): Promise<boolean> {
    const { method, target, headers } = head;
    const { winner, copies } = this.#options.route({ method, target, headers, body });
    const to = copies.map((subscriber) => this.#copyFor(subscriber));
    for (const copy of to) for (const piece of [head.raw, ...pieces]) copy.write(piece);
    return this.#exchange({ head, scanner, pieces, copies: to }, winner);
  }

  async #exchange(request: Request, winner: Subscriber | undefined): Promise<boolean> {
    const known = this.#destinations.get(winner);
    const destination = known?.usable ? known : await this.#destinationFor(winner);
    if (!destination) return false;
    // The one it had before may have closed it meanwhile, as idle ones are; a client whose requests all went there would know.
    const mayBeStale = destination.used++ > 0 && destination !== this.#last && isRepeatable(request.head);
    this.#last = destination;
    const sending = this.#sendRequest(request, destination);
    try {
      const { close, tunnel } = await passResponse(destination.source, this.#client, request.head);
      if (tunnel) return this.#tunnel(destination, request.copies);
      if (close) {
        destination.socket.end();
        answerAndEnd(this.#client, NOTHING);
        return false;
      }
      if (sending) await sending;
      return true;
    } catch (error) {
      destination.abort();
      this.#destinations.delete(winner);
      if (error instanceof AnswerCut && !error.begun && mayBeStale && !this.#client.destroyed)
        return this.#exchange(request, winner);
      return this.#handleFailure(error, request, destination);
    }
  }

  /** The caller sees the end that the one who answers has made of it, unless that one is gone altogether. */
  #handleFailure(error: unknown, request: Request, { subscriber }: Destination): boolean | Promise<boolean> {
    if (this.#client.destroyed) return false;
    const { begun, inOrder, cause } = error instanceof AnswerCut ? error : new AnswerCut(true, error);
    if (request.malformed) answerAndEnd(this.#client, BAD_REQUEST);
    else if (subscriber && !begun && isSessionOver(cause)) {
      if (subscriber.params.fallback === 'pod' && isRepeatable(request.head)) return this.#exchange(request, undefined);
      answerAndEnd(this.#client, badGateway(refusalText(subscriber, { message: 'their process has ended' })));
    } else if (inOrder) answerAndEnd(this.#client, NOTHING);
    else resetSocket(this.#client);
    return false;
  }

  /** Undefined when there is none, and the caller has been told. */
  async #destinationFor(winner: Subscriber | undefined): Promise<Destination | undefined> {
    const known = this.#destinations.get(winner);
    if (known?.usable) return known;
    known?.abort();
    try {
      const socket = winner
        ? new StreamDuplex(await openToClient(winner, this.#options.taken, 'http1'))
        : await this.#options.connectToPod();
      const made = new Destination(socket, winner);
      // A server that closes an idle connection means the client to know.
      made.source.onEnd = () => this.#isIdle && this.#client.end();
      this.#destinations.set(winner, made);
      if (this.#client.destroyed) made.abort();
      return made;
    } catch (error) {
      if (winner?.params.fallback === 'pod') return this.#destinationFor(undefined);
      if (winner) answerAndEnd(this.#client, badGateway(refusalText(winner, error)));
      else resetSocket(this.#client);
      return undefined;
    }
  }

  /** Never rejects: what goes wrong shows in the answer. */
  #sendRequest(request: Request, destination: Destination): Promise<void> | undefined {
    if (!request.scanner.done || request.pieces.length > 0) return this.#sendWithBody(request, destination);
    const full = send(destination.socket, request.head.raw);
    this.#passEnd(destination);
    return full;
  }

  async #sendWithBody(request: Request, destination: Destination): Promise<void> {
    const { head, scanner, pieces, copies } = request;
    const { socket } = destination;
    try {
      const first = [head.raw, ...pieces];
      if (!scanner.done && this.#source.buffered.length > 0) first.push(this.#takeBody(scanner, copies));
      await send(socket, ...first);
      while (!scanner.done) {
        if (this.#source.buffered.length === 0 && !(await this.#source.more())) break;
        const full = send(socket, this.#takeBody(scanner, copies));
        if (full) await full;
      }
      this.#passEnd(destination);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) return destination.abort();
      // The application may read it otherwise; a client has no use for it.
      if (destination.subscriber) {
        request.malformed = true;
        return destination.abort();
      }
      await this.#sendAll(destination);
    }
  }

  /** Behind its last request only: others may wait to be told where they go. */
  #passEnd({ socket }: Destination): void {
    const end = () => {
      if (this.#source.buffered.length === 0) socket.end();
    };
    this.#source.onEnd = end;
    if (this.#source.ended) end();
  }

  #takeBody(scanner: BodyScanner, copies: MirrorCopy[]): Buffer {
    const piece = this.#source.take(scanner.scan(this.#source.buffered));
    for (const copy of copies) copy.write(piece);
    return piece;
  }

  async #sendAll({ socket }: Destination): Promise<void> {
    try {
      do await send(socket, this.#source.take(this.#source.buffered.length));
      while (await this.#source.more());
      socket.end();
    } catch {
      resetSocket(socket);
    }
  }

  #copyFor(subscriber: Subscriber): MirrorCopy {
    const known = this.#copies.get(subscriber);
    if (known) return known;
    const { taken, onLag } = this.#options;
    const made = new MirrorCopy(subscriber, taken, 'http1', () => onLag(subscriber));
    this.#copies.set(subscriber, made);
    return made;
  }

  /** The rest of the connection belongs to one side: an upgrade was taken, or it is no HTTP we can cut. */
  #tunnel({ socket, source }: Destination, copies: MirrorCopy[]): false {
    const client = this.#client;
    const { onBytes } = this.#options;
    const fromClient = this.#source.release();
    const fromOther = source.release();
    for (const copy of copies) copy.write(fromClient);
    if (fromClient.length > 0) socket.write(fromClient);
    if (fromOther.length > 0) client.write(fromOther);
    client.on('data', (bytes: Buffer) => {
      onBytes?.(bytes);
      for (const copy of copies) copy.write(bytes);
    });
    client.once('close', () => {
      for (const copy of copies) copy.end();
    });
    for (const copy of copies) this.#forget(copy);
    this.#leaveOthers(socket);
    joinSockets(client, socket);
    return false;
  }

  /** They get no more requests, and their ends are not the client's. */
  #leaveOthers(chosen: Destination['socket']): void {
    for (const other of this.#destinations.values()) {
      if (other.socket === chosen) continue;
      other.source.onEnd = () => {};
      other.socket.end();
      this.#client.once('close', () => other.abort());
    }
  }

  #forget(copy: MirrorCopy): void {
    for (const [subscriber, known] of this.#copies) if (known === copy) this.#copies.delete(subscriber);
  }

  async #passRest(): Promise<void> {
    const pod = await this.#destinationFor(undefined);
    if (pod) this.#tunnel(pod, []);
  }

  #abandon(): void {
    for (const destination of this.#destinations.values()) destination.abort();
  }
}

/** Nothing of it was consumed but its head, and to send it twice does no harm. */
function isRepeatable({ method, framing }: RequestHead): boolean {
  return framing.kind === 'none' && ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'].includes(method);
}

interface Request {
  head: RequestHead;
  scanner: BodyScanner;
  /** Of its body, read before it was known where it goes. */
  pieces: Buffer[];
  copies: MirrorCopy[];
  malformed?: boolean;
}
