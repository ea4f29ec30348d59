import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import type { MuxStream } from '../../../src/protocol/session-types';
import { spliceSocket } from '../../../src/protocol/splice';

it('closes a socket that is reset in the moment in which it ends', async () => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {})).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  const stream = { write: () => true, end() {}, reset() {}, consumed() {} } as unknown as MuxStream;
  spliceSocket(stream, socket);
  const errors: Error[] = [];
  socket.on('error', (error) => errors.push(error));
  stream.onEnd();
  // The shutdown is asked for in this tick and done in the next turn of the loop.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  expect([socket.writableEnded, socket.writableFinished]).toEqual([true, false]);
  stream.onReset({ code: 'ECONNRESET' });
  await once(socket, 'close');
  expect(errors).toEqual([]);
  server.close();
});
