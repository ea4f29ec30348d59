import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { spliceSocket } from '../../../../src/protocol/splice';
import type { Client } from './world';

/** Hands what a client takes to a real server of this process. */
export function deliverTo(client: Client, server: NetServer): void {
  const { port } = server.address() as { port: number };
  client.onTaken = ({ stream }) => {
    spliceSocket(stream, connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }));
  };
}

export async function listening<T extends NetServer>(server: T): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export const httpServer = (handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> =>
  listening(createServer(handle));

export const tcpServer = (handle: (socket: Socket) => void): Promise<NetServer> =>
  listening(
    createNetServer({ allowHalfOpen: true }, (socket) => {
      // Callers that reset are part of these tests.
      handle(socket.on('error', () => {}));
    }),
  );
