import type { Socket } from 'node:net';

/** A second SYN has been answered by then. */
const CONNECT_LIMIT_MS = 3_000;

/** The pod's application, or nothing where it does not take the connection: requests that others answer can do without. */
export function connectInTime(connecting: Promise<Socket>): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      resolve(undefined);
    }, CONNECT_LIMIT_MS);
    connecting.then(
      (socket) => {
        clearTimeout(limit);
        if (isLate) socket.destroy();
        else resolve(socket);
      },
      () => {
        clearTimeout(limit);
        resolve(undefined);
      },
    );
  });
}
