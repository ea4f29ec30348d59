import type { Duplex } from 'node:stream';

/** Passes bytes on with back-pressure, and the end; what ends by force ends the other side too. */
export function passOn(from: Duplex, to: Duplex): void {
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
