import type { Duplex } from 'node:stream';
import { MirrordError } from '../errors';
import { FrameDecoder } from './decoder';
import type { Frame } from './frame';
import { MAX_HELLO_PAYLOAD } from './limits';
import type { SetTimer } from './timer';

export interface FirstFrame {
  frame: Frame;
  /** What came behind it. */
  rest: Uint8Array;
}

/**
 * Reads the first frame of a fresh transport, and nothing of what follows. The transport is paused afterwards.
 *
 * @throws ProtocolError when it is no frame; MirrordError LINK_TIMEOUT after `limitMs`, LINK_LOST when the transport ends
 */
export function readFirstFrame(duplex: Duplex, limitMs: number, setTimer: SetTimer): Promise<FirstFrame> {
  return new Promise((resolve, reject) => {
    const decoder = new FrameDecoder(MAX_HELLO_PAYLOAD);
    let receivedBytes = 0;
    const finish = (settle: () => void) => {
      cancelTimer();
      duplex.off('data', onData);
      duplex.off('end', onGone);
      duplex.off('close', onGone);
      duplex.off('error', onGone);
      settle();
    };
    const onData = (chunk: Uint8Array) => {
      receivedBytes += chunk.byteLength;
      try {
        decoder.push(chunk);
        const frame = decoder.next();
        if (!frame) return;
        duplex.pause();
        finish(() => resolve({ frame, rest: decoder.rest() }));
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const onGone = (cause?: Error) => {
      const text = `the transport ended after ${receivedBytes} bytes, before the other end had said HELLO`;
      finish(() => reject(new MirrordError('LINK_LOST', text, { cause, details: { receivedBytes } })));
    };
    const cancelTimer = setTimer(limitMs, () => {
      const text = `the other end did not say HELLO within ${limitMs / 1000} s`;
      finish(() => reject(new MirrordError('LINK_TIMEOUT', text, { details: { receivedBytes } })));
    });
    // A transport that fails between two owners must always find a listener.
    duplex.on('error', () => {});
    duplex.on('error', onGone);
    duplex.on('end', onGone);
    duplex.on('close', onGone);
    duplex.on('data', onData);
    if (duplex.destroyed) onGone(duplex.errored ?? undefined);
  });
}
