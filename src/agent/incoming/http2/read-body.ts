import type { ServerHttp2Stream } from 'node:http2';
import { SETTINGS } from '../settings';

/** Reads the beginning of a body for a filter. `read` has to be put back; `body` is there when that was all of it. */
export async function readBody(stream: ServerHttp2Stream): Promise<{ read: Buffer; body: Buffer | undefined }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const whole = await new Promise<boolean>((resolve) => {
    const settle = (isWhole: boolean) => {
      clearTimeout(limit);
      stream.off('readable', look).off('close', closed);
      resolve(isWhole);
    };
    const closed = () => settle(false);
    const look = () => {
      for (;;) {
        // Looked at before the read that would bring the event `end`, behind which nothing can be put back.
        const state = (stream as unknown as { _readableState: { ended: boolean; length: number } })._readableState;
        if (state.length === 0) return state.ended ? settle(true) : undefined;
        const chunk = stream.read(state.length) as Buffer | null;
        if (!chunk) return;
        chunks.push(chunk);
        size += chunk.length;
        if (size > SETTINGS.maxBody) return settle(false);
        if (state.ended && state.length === 0) return settle(true);
      }
    };
    const limit = setTimeout(closed, SETTINGS.bodyLimitMs);
    stream.on('readable', look).on('close', closed);
    look();
  });
  const read = Buffer.concat(chunks);
  return { read, body: whole ? read : undefined };
}
