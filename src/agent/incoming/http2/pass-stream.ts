import type {
  ClientHttp2Stream,
  Http2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import { passedOn } from './header-list';

const END_STREAM = 0x1;
const CANCEL = 0x8;

export interface PassedRequest {
  stream: ServerHttp2Stream;
  trailers: () => OutgoingHttpHeaders;
  /** It has no body, and so no trailers. */
  ended: boolean;
}

/**
 * Passes one request and its answer on: interim answers, bodies with back-pressure, trailers and resets both ways.
 *
 * @param onUnanswered Asked when the other end is gone before it has said anything; true = the client is told by somebody else.
 */
export function passStream(
  { stream: client, trailers, ended }: PassedRequest,
  other: ClientHttp2Stream,
  onUnanswered: () => boolean,
): void {
  other.on('error', () => {});
  sendTrailers(client, receiveTrailers(other));
  if (ended) client.resume();
  else {
    sendTrailers(other, trailers);
    client.pipe(other);
  }
  other.on('headers', (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    if (isOpen(client) && !client.headersSent) client.additionalHeaders(passedOn(headers, raw));
  });
  other.on('response', (headers: IncomingHttpHeaders, flags: number, raw: string[] = []) => {
    if (!isOpen(client)) return;
    const endStream = (flags & END_STREAM) !== 0;
    client.respond(passedOn(headers, raw), { endStream, waitForTrailers: !endStream, sendDate: false } as never);
    if (!endStream) other.pipe(client);
  });
  passReset(client, other);
  passReset(other, client, () => !client.headersSent && onUnanswered());
}

/** Gives the trailers that have come. To be called before anything has. */
export function receiveTrailers(from: Http2Stream): () => OutgoingHttpHeaders {
  let trailers: OutgoingHttpHeaders = {};
  from.on('trailers', (received: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    trailers = passedOn(received, raw);
  });
  return () => trailers;
}

function sendTrailers(to: Http2Stream, trailers: () => OutgoingHttpHeaders): void {
  to.on('wantTrailers', () => {
    // Those that come by themselves are told of after the end of the body that they stand behind.
    setImmediate(() => {
      // None at all become an empty frame that ends this direction; closing would end the other one too.
      if (isOpen(to)) to.sendTrailers(trailers());
    });
  });
}

/** What was reset may still have something to be read; to send on it throws. */
export function isOpen(stream: Http2Stream): boolean {
  return !stream.destroyed && !stream.closed;
}

function passReset(from: Http2Stream, to: Http2Stream, isTold = () => false): void {
  from.on('close', () => {
    if (!isOpen(to) || isTold()) return;
    // A whole answer before the end of the request is no failure: the other side is told to stop by NO_ERROR.
    const code = from.rstCode ?? 0;
    if (code !== 0 || from.aborted) to.close(code === 0 ? CANCEL : code);
    else if (!to.writableEnded) to.close(from.readableEnded ? 0 : CANCEL);
  });
}
