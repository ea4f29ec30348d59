import type { Duplex } from 'node:stream';
import { BodyScanner } from './body';
import { type ByteSource, send } from './byte-source';
import { findHead, MalformedMessage, parseResponse, type RequestHead, type ResponseHead } from './head';

/** The connection ended before the first byte of an answer. */
export class NoAnswer extends Error {
  /** It ended in order, and was not cut. */
  readonly ended: boolean;
  constructor(ended: boolean) {
    super('the connection ended before an answer');
    this.ended = ended;
  }
}

export interface PassedResponse {
  /** The connection must end behind it. */
  close: boolean;
  /** What follows is no HTTP. */
  tunnel: boolean;
}

/**
 * Passes the answer to one request on, interim answers before it too. Rejects with NoAnswer while nothing was passed on, with
 * another error once the answer has begun.
 */
export async function passResponse(source: ByteSource, to: Duplex, request: RequestHead): Promise<PassedResponse> {
  for (let first = true; ; first = false) {
    const answer = await readHead(source, request.method, first);
    // It follows other rules than ours: whatever it says until it ends is the answer.
    if (!answer) {
      await passBody(source, to, new BodyScanner({ kind: 'close' }));
      return { close: true, tunnel: false };
    }
    await send(to, answer.raw);
    if (answer.status === 101 && request.upgrade) return { close: false, tunnel: true };
    if (answer.status < 200) continue;
    if (request.method === 'CONNECT' && answer.status < 300) return { close: false, tunnel: true };
    await passBody(source, to, new BodyScanner(answer.framing));
    return { close: answer.close || request.close, tunnel: false };
  }
}

async function readHead(source: ByteSource, method: string, first: boolean): Promise<ResponseHead | undefined> {
  for (;;) {
    try {
      const length = findHead(source.buffered);
      if (length > 0) {
        const head = parseResponse(source.buffered.subarray(0, length), method);
        source.take(length);
        return head;
      }
    } catch (error) {
      if (error instanceof MalformedMessage) return undefined;
      throw error;
    }
    const nothing = first && source.buffered.length === 0;
    try {
      if (await source.more()) continue;
    } catch (error) {
      throw nothing ? new NoAnswer(false) : error;
    }
    if (nothing) throw new NoAnswer(true);
    if (source.buffered.length === 0) throw new Error('the connection ended behind an interim answer');
    return undefined;
  }
}

async function passBody(source: ByteSource, to: Duplex, scanner: BodyScanner): Promise<void> {
  while (!scanner.done) {
    if (source.buffered.length === 0 && !(await source.more())) {
      if (scanner.endsWithConnection) return;
      throw new Error('the answer was cut');
    }
    await send(to, source.take(scanner.scan(source.buffered)));
  }
}
