import type { Duplex } from 'node:stream';
import type { Connection } from './connection';
import { CLOSE_LIMIT, TRANSPORT_QUEUE } from './limits';
import type { SetTimer } from './timer';

/** Below this, neighbours are joined: a transport may make a message or a record of each buffer. */
const JOIN_BELOW = 4 * 1024;

export interface WireOptions {
  /** From the other end's HELLO: where to go on. */
  peerReceived: number;
  /** What arrived behind that HELLO. */
  rest: Uint8Array;
  /** The transport has ended or failed. Called once, not after `release`. */
  onLost: (error: Error | undefined) => void;
}

/** Joins a connection to a transport until that is lost. Answers a release that leaves the transport to the caller. */
export function wireDuplex(connection: Connection, duplex: Duplex, options: WireOptions): () => void {
  let released = false;
  const release = () => {
    if (released) return;
    released = true;
    duplex.off('data', onData);
    duplex.off('drain', onDrain);
    duplex.off('end', onGone);
    duplex.off('close', onGone);
    connection.detach();
  };
  const onData = (chunk: Uint8Array) => connection.receive(chunk);
  const onDrain = () => connection.writable();
  let failure: Error | undefined;
  const onGone = () => {
    if (released) return;
    release();
    duplex.destroy();
    options.onLost(failure);
  };
  // Stays for good: a late error of a transport that was given up must find a listener.
  duplex.on('error', (error) => {
    failure = error;
    onGone();
  });
  duplex.on('data', onData);
  duplex.on('drain', onDrain);
  duplex.on('end', onGone);
  duplex.on('close', onGone);

  connection.attach((buffers) => writeBuffers(duplex, buffers), options.peerReceived);
  if (options.rest.byteLength > 0) connection.receive(options.rest);
  if (duplex.destroyed) queueMicrotask(onGone);
  else duplex.resume();
  return release;
}

/** One write of the transport for all of them. Answers whether more may follow. */
export function writeBuffers(duplex: Duplex, buffers: Uint8Array[]): boolean {
  if (duplex.destroyed || duplex.writableEnded) return true;
  duplex.cork();
  for (const buffer of joinSmall(buffers)) duplex.write(buffer);
  duplex.uncork();
  // Without a pending drain nobody would call `writable`, however much waits.
  return !duplex.writableNeedDrain || duplex.writableLength < TRANSPORT_QUEUE;
}

/**
 * Ends a transport so that what was written arrives: closing at once cuts the tail (a socket with unread bytes sends a reset,
 * a port-forward drops what is under way). So the other end closes first, or a second has passed.
 */
export function closeSoon(duplex: Duplex, setTimer: SetTimer): void {
  if (duplex.destroyed) return;
  const destroy = () => void duplex.destroy();
  const cancel = setTimer(CLOSE_LIMIT, destroy);
  duplex.on('close', cancel);
  duplex.on('end', destroy);
  if (duplex.readableEnded) destroy();
  duplex.resume();
  duplex.end();
}

export function joinSmall(buffers: Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const closeRun = () => {
    if (run.length > 0) joined.push(run.length === 1 ? run[0]! : Buffer.concat(run));
    run = [];
  };
  for (const buffer of buffers) {
    if (buffer.byteLength >= JOIN_BELOW) {
      closeRun();
      joined.push(buffer);
    } else if (buffer.byteLength > 0) {
      run.push(buffer);
    }
  }
  closeRun();
  return joined;
}
