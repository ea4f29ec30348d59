import { decodeWithRaw, encodeWithRaw } from './codec';
import type { WireError } from './contract';
import { Fifo } from './fifo';
import { FLAG_STREAM, type Frame, FrameType, u32, u64 } from './frame';
import { ProtocolError } from './goaway';
import { MAX_CALLS, MAX_INLINE_REPLY, SMALL_REPLY } from './limits';
import type { Mux } from './mux';
import { discardSource, sendReply } from './reply-stream';
import type { CallHandler, HandlerAnswer } from './rpc';
import { toWireError } from './wire-errors';

interface Request {
  id: number;
  method: string;
  params: unknown;
  raw: Uint8Array;
  controller: AbortController;
}

/**
 * Answers the calls of the other end. A handler is started only while there is room for control frames; frames are read all
 * the same. Many that were started together may still find no room, and then answer by a stream.
 */
export class CallServer {
  readonly #mux: Mux;
  /** Credit of a reply stream: the window of the other end's HELLO. */
  readonly #replyCredit: number;
  readonly #requests = new Map<number, Request>();
  readonly #waiting = new Fifo<Request>();
  #handler: CallHandler = async (method) => {
    throw { code: 'ENOSYS', message: `${method} is not served here` };
  };

  constructor(mux: Mux, replyCredit: number) {
    this.#mux = mux;
    this.#replyCredit = replyCredit;
  }

  onCall(handler: CallHandler): void {
    this.#handler = handler;
  }

  /** @throws ProtocolError when the call breaks the rules */
  handleCall({ id, payload }: Frame): void {
    if (this.#requests.has(id)) throw new ProtocolError(`CALL ${id} is in flight already`);
    if (this.#requests.size >= MAX_CALLS) throw new ProtocolError(`more than ${MAX_CALLS} calls in flight`);
    const { value, raw } = decodeWithRaw(payload, 'CALL');
    if (typeof value.method !== 'string') throw new ProtocolError('CALL without a method');
    const request = { id, method: value.method, params: value.params, raw, controller: new AbortController() };
    this.#requests.set(id, request);
    this.#waiting.push(request);
    this.pump();
  }

  handleCancel(id: number): void {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    request?.controller.abort();
  }

  pump(): void {
    while (this.#waiting.length > 0 && this.#mux.outbox.hasRoom) {
      const request = this.#waiting.shift()!;
      if (this.#isWanted(request)) void this.#serve(request);
    }
  }

  end(): void {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    this.#waiting.clear();
    for (const { controller } of requests) controller.abort();
  }

  #isWanted(request: Request): boolean {
    return this.#requests.get(request.id) === request;
  }

  async #serve(request: Request): Promise<void> {
    try {
      const { method, params, raw, controller } = request;
      const answer = await this.#handler(method, params, raw, controller.signal);
      if (this.#isWanted(request)) this.#reply(request, answer);
      else if (answer.raw && !(answer.raw instanceof Uint8Array)) await discardSource(answer.raw);
    } catch (error) {
      if (this.#isWanted(request)) this.#replyError(request, toWireError(error));
    }
  }

  #reply(request: Request, { result, raw }: HandlerAnswer): void {
    const bytes = raw instanceof Uint8Array ? raw : undefined;
    const source = raw instanceof Uint8Array ? undefined : raw;
    const parts = encodeWithRaw({ result }, bytes);
    const length = parts.reduce((sum, part) => sum + part.byteLength, source?.length ?? 0);
    const inline = this.#mux.outbox.hasRoom ? MAX_INLINE_REPLY : SMALL_REPLY;
    if (!source && length <= inline) {
      this.#requests.delete(request.id);
      this.#mux.outbox.sendControl(FrameType.REPLY, 0, request.id, parts);
      return;
    }
    const streamId = this.#mux.allocateId();
    if (streamId === undefined) throw new Error('all stream ids of this session are used');
    this.#requests.delete(request.id);
    const stream = this.#mux.openReplyStream(streamId, this.#replyCredit);
    this.#mux.outbox.sendControl(FrameType.REPLY, FLAG_STREAM, request.id, [u32(streamId), u64(length)]);
    void sendReply(stream, parts, source);
  }

  #replyError(request: Request, error: WireError): void {
    this.#requests.delete(request.id);
    this.#mux.outbox.sendControl(FrameType.REPLY, 0, request.id, encodeWithRaw({ error }));
  }
}
