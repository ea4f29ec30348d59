import type { Socket } from 'node:net';
import { findHead, parseRequest } from './http1/head';
import { isProbe } from './routing';

const HEAD_LIMIT_MS = 1_000;

/** Whether the first request of a connection is one of the kubelet's checks; its bytes are put back. */
export function isProbeHead(socket: Socket): Promise<boolean> {
  let seen: Buffer = Buffer.alloc(0);
  return new Promise((resolve) => {
    const settle = (probe: boolean) => {
      clearTimeout(limit);
      socket.off('readable', look).off('close', giveUp);
      if (seen.length > 0 && !socket.destroyed && !socket.readableEnded) socket.unshift(seen);
      resolve(probe);
    };
    const giveUp = () => settle(false);
    const look = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk) seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      try {
        const length = findHead(seen);
        if (length > 0) settle(isProbe(parseRequest(seen.subarray(0, length)).headers));
      } catch {
        settle(false);
      }
    };
    const limit = setTimeout(giveUp, HEAD_LIMIT_MS);
    socket.on('readable', look).on('close', giveUp);
    look();
  });
}
