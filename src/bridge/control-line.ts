import type { Socket } from 'node:net';
import { MirrordError } from '../errors';

/** The longest line a control connection may begin with: the answer carries the configuration. */
export const MAX_LINE = 1024 * 1024;
/** The longest line of a stranger. */
export const MAX_GREETING_LINE = 256;

/**
 * Reads one JSON line and leaves what follows in the socket, unread. Rejects with CONTROL_PROTOCOL, CONTROL_TIMEOUT, or the
 * socket's error.
 */
export function readLine<T>(socket: Socket, maxBytes: number, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const settle = () => {
      clearTimeout(timer);
      socket.off('readable', onReadable);
      socket.off('error', reject);
      socket.off('close', onClose);
    };
    const fail = (code: string, message: string) => {
      settle();
      reject(new MirrordError(code, message));
    };
    const onClose = () => fail('CONTROL_PROTOCOL', 'the control socket was closed before its first line was complete');
    const onReadable = () => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null) {
        read = Buffer.concat([read, chunk]);
        const end = read.indexOf(10);
        if (end === -1 && read.length <= maxBytes) continue;
        if (end === -1 || end > maxBytes) return fail('CONTROL_PROTOCOL', `a line of more than ${maxBytes} bytes`);
        settle();
        if (end + 1 < read.length) socket.unshift(read.subarray(end + 1));
        try {
          return resolve(JSON.parse(read.subarray(0, end).toString()) as T);
        } catch (cause) {
          return reject(new MirrordError('CONTROL_PROTOCOL', 'the first line is not JSON', { cause }));
        }
      }
    };
    const timer = setTimeout(
      () => fail('CONTROL_TIMEOUT', `no line on the control socket within ${limitMs / 1_000} s`),
      limitMs,
    );
    socket.on('readable', onReadable);
    socket.once('error', reject);
    socket.once('close', onClose);
  });
}

export function writeLine(socket: Socket, value: unknown): void {
  socket.write(`${JSON.stringify(value)}\n`);
}
