import type { ByteSource } from '../../protocol/rpc';
import { close } from './descriptors';
import { readRange } from './read-file';

/** One piece: what a frame of the link carries, so that a slow client holds little of the agent's memory. */
const PIECE = 64 * 1024;

/** Closers of files that are being sent. A session calls them when it ends, for answers that nobody fetched. */
export type OpenSources = Set<() => void>;

/**
 * `length` bytes of an open file from `position`, read at the pace of whoever takes them. The descriptor is closed when
 * all was read, on an error, when the taker returns early, or by its closer in `open`.
 *
 * An iterator by hand: a generator that was never started would not run its `finally` when it is returned.
 */
export function fileSource(fd: number, path: string, position: number, length: number, open: OpenSources): ByteSource {
  let at = position;
  let closed = false;
  const end = (): IteratorReturnResult<undefined> => {
    if (!closed) close(fd);
    closed = true;
    open.delete(end);
    return { done: true, value: undefined };
  };
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    const left = position + length - at;
    if (closed || left === 0) return end();
    try {
      const piece = await readRange(fd, path, at, Math.min(PIECE, left));
      at += piece.length;
      // Empty: the file has shrunk since its size was taken. The link tells the client that the answer is short.
      return piece.length === 0 ? end() : { done: false, value: piece };
    } catch (error) {
      end();
      throw error;
    }
  };
  open.add(end);
  return { length, chunks: { [Symbol.asyncIterator]: () => ({ next, return: async () => end() }) } };
}
