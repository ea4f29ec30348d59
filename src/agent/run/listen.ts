import { createServer, type Server, type Socket } from 'node:net';
import { MirrordError } from '../../errors';

/**
 * Listens on the agent pod's own 127.0.0.1: only a port-forward, which the cluster's access rules guard, reaches that.
 * With `unread`, connections stay as the kernel has them, to be handed to another process. Throws LISTEN_FAILED.
 */
export function listen(
  port: number,
  onConnection: (socket: Socket) => void,
  options: { unread: boolean },
): Promise<Server> {
  const server = createServer({ pauseOnConnect: options.unread, noDelay: true }, onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new MirrordError('LISTEN_FAILED', `cannot listen on 127.0.0.1:${port}: ${error.code}`, {
          hint: 'Another process of the pod has that port; another --port may be free.',
          cause: error,
        }),
      );
    });
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

export function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}
