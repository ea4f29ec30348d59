import type { LinkStream } from './mux-stream';
import type { ByteSource } from './rpc';
import { WireFailure } from './session-types';

/**
 * Reads a reply that travels as a stream into one buffer. Its length was told beforehand; the memory is only touched as
 * bytes arrive.
 *
 * @throws WireFailure when the stream is reset, or is shorter or longer than told
 */
export function collectReply(stream: LinkStream, length: number, onProgress: () => void): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    stream.onData = (chunk) => {
      if (filled + chunk.byteLength > length) {
        stream.reset('EPROTO');
        reject(new WireFailure({ code: 'EPROTO', message: `an answer is longer than the ${length} bytes told` }));
        return;
      }
      buffer.set(chunk, filled);
      filled += chunk.byteLength;
      stream.consumed(chunk.byteLength);
      onProgress();
    };
    stream.onEnd = () => {
      if (filled === length) resolve(buffer);
      else reject(new WireFailure({ code: 'EPROTO', message: `an answer ended after ${filled} of ${length} bytes` }));
    };
    stream.onReset = (reset) => reject(new WireFailure(reset));
  });
}

/** Sends the parts of a reply, then the bytes of the source if there is one, at the pace of the stream. Never rejects. */
export async function sendReply(stream: LinkStream, parts: readonly Uint8Array[], source?: ByteSource): Promise<void> {
  let wake = () => {};
  let over = false;
  stream.onData = () => {};
  stream.onDrain = () => wake();
  stream.onClose = () => {
    over = true;
    wake();
  };
  const write = (chunk: Uint8Array) => {
    if (stream.write(chunk) || over) return undefined;
    return new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  for (const part of parts) {
    await write(part);
  }
  if (over) {
    if (source) await discardSource(source);
    return;
  }
  if (source) {
    let left = source.length;
    try {
      for await (const chunk of source.chunks) {
        if (over) return;
        left -= chunk.byteLength;
        if (left < 0) break;
        await write(chunk);
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      stream.reset(code ?? 'EIO', message);
      return;
    }
    if (left !== 0) {
      stream.reset('EIO', 'the source changed while it was read');
      return;
    }
  }
  stream.end();
}

/** Lets a source let go of what it holds, though nobody wants its bytes. */
export async function discardSource(source: ByteSource): Promise<void> {
  try {
    await source.chunks[Symbol.asyncIterator]().return?.();
  } catch {
    // Nobody is left who could be told.
  }
}
