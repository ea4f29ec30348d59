import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Http2Upstream } from './upstream';

const MAX_QUEUE = 1024 * 1024;
const MAX_OPEN = 100;
const CANCEL = 0x8;

/** Sends a copy of one request, and throws the answer away. What the other end does not read in time ends the copy. */
export function copyRequest(
  upstream: Http2Upstream,
  stream: ServerHttp2Stream,
  headers: OutgoingHttpHeaders,
  ended: boolean,
  onLag: () => void,
): void {
  // Body that comes while the session is being made.
  let early: Buffer[] = [];
  let size = 0;
  let write = (chunk: Buffer): void => {
    size += chunk.length;
    if (size <= MAX_QUEUE) early.push(chunk);
  };
  let end = (): void => {
    ended = true;
  };
  stream.on('data', (chunk: Buffer) => write(chunk));
  stream.once('end', () => end());
  upstream.ready.then(
    () => {
      if (upstream.open >= MAX_OPEN || size > MAX_QUEUE) return onLag();
      const copy = upstream.request(headers, ended && size === 0);
      copy.on('error', () => {}).on('wantTrailers', () => copy.close());
      copy.resume();
      write = (chunk) => {
        if (copy.destroyed) return;
        copy.write(chunk);
        if (copy.writableLength <= MAX_QUEUE) return;
        copy.close(CANCEL);
        onLag();
      };
      end = () => void copy.end();
      for (const chunk of early) write(chunk);
      early = [];
      if (ended && size > 0) end();
    },
    () => {
      early = [];
      write = () => {};
    },
  );
}
