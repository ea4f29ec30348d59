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
    const tunnel = (answer.status === 101 && request.upgrade) || (request.method === 'CONNECT' && answer.status < 300);
    if (tunnel || answer.status < 200) {
      await send(to, answer.raw);
      if (tunnel) return { close: false, tunnel };
      continue;
    }
    const whole = await passBody(source, to, new BodyScanner(answer.framing), answer.raw);
    return { close: !whole || answer.close || request.close, tunnel: false };
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

/**
 * Resolves with whether its end was found: a body that breaks the rules is passed on, and goes on until its connection ends.
 * @param head What goes before it, in one piece with as much of it as has arrived: packets are what passing on costs.
 */
async function passBody(source: ByteSource, to: Duplex, scanner: BodyScanner, head?: Buffer): Promise<boolean> {
  const first = head ? [head] : [];
  try {
    if (!scanner.done && source.buffered.length > 0) first.push(takeBody(source, scanner));
    await send(to, ...first.splice(0));
    while (!scanner.done) {
      if (source.buffered.length === 0 && !(await hasMore(source, true))) {
        if (scanner.endsWithConnection) return true;
        throw new AnswerCut(true);
      }
      await send(to, takeBody(source, scanner));
    }
    return true;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    await passBody(source, to, new BodyScanner({ kind: 'close' }), first[0]);
    return false;
  }
}

function takeBody(source: ByteSource, scanner: BodyScanner): Buffer {
  return source.take(scanner.scan(source.buffered));
}

async function hasMore(source: ByteSource, begun: boolean): Promise<boolean> {
  try {
    return await source.more();
  } catch (error) {
    throw new AnswerCut(begun, error);
  }
}
