import type { Duplex } from 'node:stream';

/** Joins two transports: bytes with back-pressure and half-close both ways; the end of one by force is the end of both. */
export function spliceSockets(one: Duplex, other: Duplex): void {
  pass(one, other);
  pass(other, one);
}

function pass(from: Duplex, to: Duplex): void {
  from.on('error', () => {});
  from.on('close', () => {
    if (!from.readableEnded) return void to.destroy();
    // All was read and is on its way out (a goodbye, perhaps): only what would go the other way has lost its destination.
    to.resume();
    to.end(() => to.destroy());
  });
  from.pipe(to);
  if (from.destroyed) to.destroy();
}
