import type { Socket } from 'node:net';

export type FirstBytes = 'http1' | 'http2' | 'other' | 'silent' | 'ended';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const REQUEST_LINE = /^(?:\r?\n)*[\w!#$%&'*+.^`|~-]{1,24} [^\s]+ HTTP\/1\.[01]\r?\n/;
/** How such a line may look while it is still arriving. */
const BEGINNING = /^(?:\r?\n)*(?:[\w!#$%&'*+.^`|~-]{0,24}|[\w!#$%&'*+.^`|~-]{1,24} [^\s]*(?: [HTP/1.0]{0,8}\r?)?)$/;
const MAX_LINE = 16 * 1024;
/** From the first byte of a request line that comes in pieces to its last: whoever waits for an answer to half a line speaks something else. */
const PARTIAL_MS = 3_000;
const EMPTY: Buffer = Buffer.alloc(0);

/** What the first bytes of a client are; undefined while more are needed. */
export function classify(bytes: Buffer): 'http1' | 'http2' | 'other' | undefined {
  const text = bytes.toString('latin1', 0, MAX_LINE);
  if (text.startsWith(PREFACE)) return 'http2';
  if (PREFACE.startsWith(text)) return undefined;
  if (REQUEST_LINE.test(text)) return 'http1';
  return text.length < MAX_LINE && BEGINNING.test(text) ? undefined : 'other';
}

export interface Peeked {
  kind: FirstBytes;
  /** Bytes that could not be put back, because the client has ended behind them. */
  rest: Buffer;
}

/**
 * Looks at what a client sends first, and puts it back. `silent` after `silenceMs` without a byte: the server may be the one
 * that speaks first. A request line that has begun to arrive is given longer, however many pieces it comes in.
 */
export function peek(socket: Socket, silenceMs: number): Promise<Peeked> {
  let seen: Buffer = EMPTY;
  return new Promise((resolve) => {
    const settle = (kind: FirstBytes, rest = EMPTY) => {
      clearTimeout(limit);
      socket.off('readable', look).off('end', ended).off('close', ended);
      // Before anything else runs: behind the event `end` nothing can be put back.
      if (rest.length === 0 && seen.length > 0 && !socket.destroyed) socket.unshift(seen);
      resolve({ kind, rest });
    };
    const ended = () => (seen.length > 0 ? settle('other', seen) : settle('ended'));
    const look = () => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null) {
        seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      }
      if (seen.length === 0) return;
      const found = classify(seen);
      if (found) return settle(found);
      if (hasBegun) return;
      hasBegun = true;
      clearTimeout(limit);
      limit = setTimeout(() => settle('other'), PARTIAL_MS);
    };
    let hasBegun = false;
    let limit = setTimeout(() => settle('silent'), silenceMs);
    socket.on('readable', look).on('end', ended).on('close', ended);
    look();
  });
}
