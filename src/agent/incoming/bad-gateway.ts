import type { Socket } from 'node:net';
import { TAKE_LIMIT_MS } from '../end-in-time';
import type { Subscriber } from './subscriber';

/** How long a caller may take to go when the kernel has all of the answer. */
const LINGER_MS = 2_000;

/** What a caller is told when the one who takes its request does not. */
export function refusalText({ params }: Subscriber, error: unknown): string {
  const { code, message, name } = (error ?? {}) as { code?: string; message?: string; name?: string };
  let why = message ?? code ?? 'it could not be handed over';
  if (code === 'ECONNREFUSED') why = 'no process of theirs listens on it now';
  else if (name === 'TimeoutError') why = 'their process does not react';
  return `mirrord: this request to port ${params.port} is taken by ${params.owner}, and was not answered: ${why}\n`;
}

/** A whole answer in HTTP/1, behind which the connection ends. */
export function badGateway(text: string): Buffer {
  const body = Buffer.from(text);
  const head = [
    'HTTP/1.1 502 Bad Gateway',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

/** Sends an answer and ends; what still arrives is read, as a reset would overtake the answer. */
export function answerAndEnd(socket: Socket, answer: Buffer): void {
  if (socket.destroyed) return;
  socket.removeAllListeners('readable');
  socket.on('error', () => {});
  socket.end(answer);
  socket.resume();
  let limit = setTimeout(() => socket.destroy(), socket.writableFinished ? LINGER_MS : TAKE_LIMIT_MS);
  socket.once('finish', () => {
    clearTimeout(limit);
    if (!socket.destroyed) limit = setTimeout(() => socket.destroy(), LINGER_MS);
  });
  socket.once('end', () => socket.destroySoon());
  socket.once('close', () => clearTimeout(limit));
}
