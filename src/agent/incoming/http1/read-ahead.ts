import { SETTINGS } from '../settings';
import type { BodyScanner } from './body';
import type { ByteSource } from './byte-source';
import { MalformedMessage } from './head';

const { maxBody: MAX_BODY, bodyLimitMs: BODY_LIMIT_MS } = SETTINGS;

export interface ReadAhead {
  /** As they were sent, to be passed on. */
  pieces: Buffer[];
  /** The content, when it is there as a whole. */
  body: Buffer | undefined;
}

/** Takes the beginning of a body, for a filter to look at. Rejects when the connection is cut. */
export async function readAhead(source: ByteSource, scanner: BodyScanner): Promise<ReadAhead> {
  const pieces: Buffer[] = [];
  const content: Buffer[] = [];
  const deadline = performance.now() + BODY_LIMIT_MS;
  let size = 0;
  try {
    while (!scanner.done && size <= MAX_BODY) {
      if (source.buffered.length === 0 && !(await source.more(deadline))) break;
      const length = scanner.scan(source.buffered, (data) => {
        content.push(Buffer.from(data));
        size += data.length;
      });
      pieces.push(source.take(length));
    }
  } catch (error) {
    // Whoever passes it on will meet the same bytes, which are not taken yet.
    if (!(error instanceof MalformedMessage)) throw error;
  }
  return { pieces, body: scanner.done && size <= MAX_BODY ? Buffer.concat(content) : undefined };
}
