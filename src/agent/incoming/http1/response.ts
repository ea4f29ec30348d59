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
      await passBody(source, to, new BodyScanner({ kind: 'close' }), 0);
      return { close: true, tunnel: false };
    }
    const { status, framing, raw } = answer;
    const tunnel = (status === 101 && request.upgrade) || (request.method === 'CONNECT' && status < 300);
    if (tunnel || status < 200) {
      const full = send(to, source.take(raw.length));
      if (full) await full;
      if (tunnel) return { close: false, tunnel };
      continue;
    }
    const passed = passBody(source, to, new BodyScanner(framing), raw.length);
    const whole = typeof passed === 'boolean' ? passed : await passed;
    return { close: !whole || answer.close || request.close, tunnel: false };
  }
}

/** Looks, and takes nothing; undefined = what is there is no head. */
async function readHead(source: ByteSource, method: string, first: boolean): Promise<ResponseHead | undefined> {
  for (;;) {
    try {
      const length = findHead(source.buffered);
      if (length > 0) return parseResponse(source.buffered.subarray(0, length), method);
    } catch (error) {
      if (error instanceof MalformedMessage) return undefined;
      throw error;
    }
    const begun = !first || source.buffered.length > 0;
    let more: boolean;
    try {
      more = await source.more();
    } catch (error) {
      throw new AnswerCut(begun, error);
    }
    if (more) continue;
    if (source.buffered.length === 0) throw new AnswerCut(!first);
    return undefined;
  }
}

/**
 * Whether its end was found: a body that breaks the rules is passed on, and goes on until its connection ends.
 *
 * @param head Bytes that go before it, in one piece with as much of it as has arrived: packets are what passing on costs.
 */
function passBody(source: ByteSource, to: Duplex, scanner: BodyScanner, head: number): boolean | Promise<boolean> {
  try {
    const rest = scanner.done ? 0 : scanner.scan(source.buffered.subarray(head));
    const full = send(to, source.take(head + rest));
    return scanner.done && !full ? true : passRest(source, to, scanner, full);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return passMalformed(source, to, head);
  }
}

async function passRest(
  source: ByteSource,
  to: Duplex,
  scanner: BodyScanner,
  full: Promise<void> | undefined,
): Promise<boolean> {
  if (full) await full;
  try {
    while (!scanner.done) {
      if (source.buffered.length === 0 && !(await hasMore(source))) {
        if (scanner.endsWithConnection) return true;
        throw new AnswerCut(true);
      }
      const next = send(to, source.take(scanner.scan(source.buffered)));
      if (next) await next;
    }
    return true;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return passMalformed(source, to, 0);
  }
}

async function passMalformed(source: ByteSource, to: Duplex, head: number): Promise<false> {
  await passBody(source, to, new BodyScanner({ kind: 'close' }), head);
  return false;
}

async function hasMore(source: ByteSource): Promise<boolean> {
  try {
    return await source.more();
  } catch (error) {
    throw new AnswerCut(true, error);
  }
}
