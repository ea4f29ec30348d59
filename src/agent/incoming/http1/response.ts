import type { Duplex } from 'node:stream';
import { BodyScanner } from './body';
import { type ByteSource, send } from './byte-source';
import { findHead, MalformedMessage, parseResponse, type RequestHead, type ResponseHead } from './head';

/** The connection ended before the answer did. */
export class AnswerCut extends Error {
  /** Part of the answer was passed on. */
  readonly begun: boolean;
  /** It ended in order, and was not reset. */
  readonly inOrder: boolean;
  constructor(begun: boolean, cause?: unknown) {
    super('the connection ended before the answer did', { cause });
    this.begun = begun;
    this.inOrder = cause === undefined;
  }
}

export interface PassedResponse {
  /** The connection must end behind it. */
  close: boolean;
  /** What follows is no HTTP. */
  tunnel: boolean;
}

/**
 * Passes the answer to one request on, interim answers before it too. Rejects with AnswerCut.
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
    if (await hasMore(source, !first || source.buffered.length > 0)) continue;
    if (source.buffered.length === 0) throw new AnswerCut(!first);
    return undefined;
  }
}

async function passBody(source: ByteSource, to: Duplex, scanner: BodyScanner): Promise<void> {
  while (!scanner.done) {
    if (source.buffered.length === 0 && !(await hasMore(source, true))) {
      if (scanner.endsWithConnection) return;
      throw new AnswerCut(true);
    }
    await send(to, source.take(scanner.scan(source.buffered)));
  }
}

async function hasMore(source: ByteSource, begun: boolean): Promise<boolean> {
  try {
    return await source.more();
  } catch (error) {
    throw new AnswerCut(begun, error);
  }
}
