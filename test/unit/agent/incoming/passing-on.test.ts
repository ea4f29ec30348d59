import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { compileFilter } from '../../../../src/agent/incoming/filter/compile';
import type { Subscriber } from '../../../../src/agent/incoming/subscriber';
import { takeConnection } from '../../../../src/agent/incoming/take-connection';

const servers: Server[] = [];

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, onSocket).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port whose connections are taken as redirected ones are, with a filter that fits no request. */
async function takeFor(pod: number): Promise<number> {
  const subscriber = {
    id: 1,
    session: { parked: false },
    params: { mode: 'steal', port: pod, keepProbes: true },
    matches: compileFilter({ header: '^x-nobody: .*a.*$' }),
    since: new Date(),
  } as unknown as Subscriber;
  const log = { debug() {}, info() {}, warn() {}, error() {} } as never;
  const podAddress = { address: '127.0.0.1', port: pod, family: 4 as const };
  return listen((socket) => {
    socket.pause();
    const exemption = { address: '127.0.0.1', group: undefined };
    void takeConnection(
      { socket, podAddress, peerAddress: podAddress },
      { active: () => [subscriber], exemption, log },
    );
  });
}

/** Sends all, ends, and gives all that came back. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let got = '';
  socket.on('data', (bytes) => (got += bytes.toString('latin1')));
  socket.end(text, 'latin1');
  await once(socket, 'end');
  return got;
}

afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
});

describe('what a filter leaves to the pod', () => {
  it('of requests that were sent at once and ended, each is answered, over one connection', async () => {
    let connections = 0;
    const pod = await listen((socket) => {
      connections++;
      let asked = '';
      socket.on('data', (bytes) => {
        asked += bytes.toString('latin1');
        for (let end = asked.indexOf('\r\n\r\n'); end >= 0; end = asked.indexOf('\r\n\r\n')) {
          const [, path = ''] = asked.split(' ');
          asked = asked.slice(end + 4);
          setTimeout(() => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`), 20);
        }
      });
      socket.on('end', () => setTimeout(() => socket.end(), 100));
    });
    const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const got = await talk(await takeFor(pod), ['/1', '/2', '/3'].map(request).join(''));
    expect(got.match(/\/\d(?=H|$)/g)).toEqual(['/1', '/2', '/3']);
    expect(connections).toBe(1);
  });

  it('an answer whose chunks break the rules arrives as it was sent', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnot a size\r\nand more';
    const pod = await listen((socket) => socket.once('data', () => socket.end(answer)));
    expect(await talk(await takeFor(pod), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe(answer);
  });

  it('an application that does not read holds its client up', async () => {
    const pod = await listen((socket) => void socket.pause());
    const socket = connect(await takeFor(pod), '127.0.0.1');
    socket.on('error', () => {});
    const size = 64 * 1024 * 1024;
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    const piece = Buffer.alloc(64 * 1024);
    let sent = 0;
    const stuck = new Promise<void>((resolve) => {
      const send = () => {
        while (sent < size) {
          sent += piece.length;
          if (!socket.write(piece)) break;
        }
        clearTimeout(quiet);
        quiet = setTimeout(resolve, 500);
      };
      let quiet = setTimeout(resolve, 5000);
      socket.on('drain', send);
      send();
    });
    await stuck;
    expect(sent).toBeLessThan(size);
    socket.destroy();
  });
});
