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

/**
 * Passes one request and its answer on: interim answers, bodies with back-pressure, trailers and resets both ways.
 *
 * @param onUnanswered Asked when the other end is gone before it has said anything; true = the client is told by somebody else.
 */
export function passStream(client: ServerHttp2Stream, other: ClientHttp2Stream, onUnanswered: () => boolean): void {
  other.on('error', () => {});
  passTrailers(client, other);
  passTrailers(other, client);
  client.pipe(other);
  other.on('headers', (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    if (!client.destroyed && !client.headersSent) client.additionalHeaders(passedOn(headers, raw));
  });
  other.on('response', (headers: IncomingHttpHeaders, flags: number, raw: string[] = []) => {
    if (client.destroyed) return;
    const endStream = (flags & END_STREAM) !== 0;
    client.respond(passedOn(headers, raw), { endStream, waitForTrailers: !endStream, sendDate: false } as never);
    if (!endStream) other.pipe(client);
  });
  passReset(client, other);
  passReset(other, client, () => !client.headersSent && onUnanswered());
}

/** Trailers arrive before the end of the body is read, and are wanted after the last of it was written. */
function passTrailers(from: Http2Stream, to: Http2Stream): void {
  let trailers: OutgoingHttpHeaders = {};
  from.on('trailers', (received: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    trailers = passedOn(received, raw);
  });
  to.on('wantTrailers', () => {
    // None at all become an empty frame that ends this direction; closing would end the other one too.
    if (!to.destroyed) to.sendTrailers(trailers);
  });
}

function passReset(from: Http2Stream, to: Http2Stream, isTold = () => false): void {
  from.on('close', () => {
    if (to.destroyed || to.closed || isTold()) return;
    // A whole answer before the end of the request is no failure: the other side is told to stop by NO_ERROR.
    const code = from.rstCode ?? 0;
    if (code !== 0 || from.aborted) to.close(code === 0 ? CANCEL : code);
    else if (!to.writableEnded) to.close(from.readableEnded ? 0 : CANCEL);
  });
}
