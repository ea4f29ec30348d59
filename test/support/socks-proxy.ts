import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A SOCKS5 proxy that leads every name to a port of this machine, and remembers what it was asked for.
 *
 * @param status what it answers to CONNECT; 0 = it connects
 */
export async function startSocks(port: () => number, login?: { user: string; password: string }, status = 0) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const take = async (count: number): Promise<Buffer> => {
      for (;;) {
        const bytes = socket.read(count) as Buffer | null;
        if (bytes) return bytes;
        await once(socket, 'readable');
      }
    };
    const [, count] = await take(2);
    const methods = await take(count!);
    const method = login ? 2 : 0;
    socket.write(Buffer.from([5, methods.includes(method) ? method : 255]));
    if (!methods.includes(method)) return;
    if (login) {
      const user = (await take((await take(2))[1]!)).toString();
      const password = (await take((await take(1))[0]!)).toString();
      const right = user === login.user && password === login.password;
      socket.write(Buffer.from([1, right ? 0 : 1]));
      if (!right) return;
    }
    const [, , , type] = await take(4);
    const host =
      type === 3 ? (await take((await take(1))[0]!)).toString() : [...(await take(type === 4 ? 16 : 4))].join('.');
    asked.push(`${host}:${(await take(2)).readUInt16BE()}`);
    socket.write(Buffer.from([5, status, 0, 1, 127, 0, 0, 1, 0, 80]));
    if (status !== 0) return;
    const upstream = connect(port(), '127.0.0.1');
    sockets.add(upstream);
    upstream.on('error', () => {});
    upstream.pipe(socket).pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { asked, stop, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}
