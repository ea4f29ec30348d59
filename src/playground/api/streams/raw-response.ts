import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { statusBody } from '../../status';
import { toStatusError } from '../respond';

/** Answers an upgrade request with a plain response and ends the connection. */
export function respondRaw(socket: Duplex, code: number, body = '', type = 'text/plain; charset=utf-8'): void {
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`,
    'Connection: close',
    ...(body ? [`Content-Type: ${type}`] : []),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

export function respondRawError(socket: Duplex, error: unknown): void {
  const status = toStatusError(error);
  respondRaw(socket, status.code, JSON.stringify(statusBody(status)), 'application/json');
}
