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
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, BODY_LIMIT_MS, 'late');
  });
  try {
    while (!scanner.done && size <= MAX_BODY) {
      if (source.buffered.length === 0) {
        const more = await Promise.race([source.more(), late]);
        if (more !== true) break;
      }
      const length = scanner.scan(source.buffered, (data) => {
        content.push(Buffer.from(data));
        size += data.length;
      });
      pieces.push(source.take(length));
    }
  } catch (error) {
    // Whoever passes it on will meet the same bytes, which are not taken yet.
    if (!(error instanceof MalformedMessage)) throw error;
  } finally {
    clearTimeout(timer);
  }
  return { pieces, body: scanner.done && size <= MAX_BODY ? Buffer.concat(content) : undefined };
}
