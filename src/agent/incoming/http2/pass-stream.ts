import type { ClientHttp2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';

const END_STREAM = 0x1;
const CANCEL = 0x8;

/** Passes one request and its answer on: interim answers, bodies with back-pressure, trailers and resets both ways. */
export function passStream(client: ServerHttp2Stream, other: ClientHttp2Stream): void {
  other.on('error', () => {});
  passTrailers(client, other);
  passTrailers(other, client);
  client.pipe(other);
  other.on('headers', (headers) => {
    if (!client.destroyed && !client.headersSent) client.additionalHeaders(headers);
  });
  other.on('response', (headers, flags) => {
    if (client.destroyed) return;
    const endStream = (flags & END_STREAM) !== 0;
    client.respond({ ...headers }, { endStream, waitForTrailers: !endStream, sendDate: false } as never);
    if (!endStream) other.pipe(client);
  });
  passReset(client, other);
  passReset(other, client);
}

type Either = ClientHttp2Stream | ServerHttp2Stream;

/** Trailers arrive before the end of the body is read, and are wanted after the last of it was written. */
function passTrailers(from: Either, to: Either): void {
  let trailers: IncomingHttpHeaders = {};
  from.on('trailers', (received: IncomingHttpHeaders) => {
    trailers = received;
  });
  to.on('wantTrailers', () => {
    // None at all become an empty frame that ends this direction; closing would end the other one too.
    if (!to.destroyed) to.sendTrailers({ ...trailers });
  });
}

function passReset(from: Either, to: Either): void {
  from.on('close', () => {
    if (to.destroyed || to.closed) return;
    // A whole answer before the end of the request is no failure: the other side is told to stop by NO_ERROR.
    const code = from.rstCode ?? 0;
    if (code !== 0 || from.aborted) to.close(code === 0 ? CANCEL : code);
    else if (!to.writableEnded) to.close(from.readableEnded ? 0 : CANCEL);
  });
}
