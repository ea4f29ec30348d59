import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { SpdyConnection } from '../../../src/spdy/connection';
import type { SpdyStream } from '../../../src/spdy/stream';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function connectedPair(): Promise<{ client: SpdyConnection; server: SpdyConnection; sockets: Socket[] }> {
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const near = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1' });
  const [far] = await accepted;
  cleanups.push(() => {
    near.destroy();
    far.destroy();
    listener.close();
  });
  return {
    client: new SpdyConnection(near, 'client'),
    server: new SpdyConnection(far, 'server'),
    sockets: [near, far],
  };
}

async function openPair() {
  const pair = await connectedPair();
  const opened = once(pair.server, 'stream') as Promise<[SpdyStream]>;
  const near = pair.client.open({ streamtype: 'data', port: '80' });
  const [far] = await opened;
  return { ...pair, near, far };
}

/** Without async iteration, which would destroy the other direction at the end. */
function readAll(stream: SpdyStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) =>
    stream.once('end', () => resolve(Buffer.concat(chunks))).once('error', reject),
  );
}

/** `once` of node:events would reject with the error that comes before. */
function closeOf(stream: SpdyStream): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve));
}

describe('a SPDY connection', () => {
  it('carries the headers of a stream and data both ways, and ends each direction alone', async () => {
    const { near, far } = await openPair();
    expect(far.headers).toMatchObject({ streamtype: 'data', port: '80' });
    near.end('question');
    expect((await readAll(far)).toString()).toBe('question');
    far.end('answer');
    expect((await readAll(near)).toString()).toBe('answer');
  });

  it('carries 20 MB unchanged', async () => {
    const { near, far } = await openPair();
    const bytes = Buffer.alloc(20_000_000, Buffer.from('0123456789abcdef'));
    near.end(bytes);
    far.end();
    expect((await readAll(far)).equals(bytes)).toBe(true);
  });

  it('stops reading when nobody takes the data, and goes on when somebody does', async () => {
    const { near, far, sockets } = await openPair();
    const size = 32 * 1024 * 1024;
    near.end(Buffer.alloc(size));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(far.readableLength).toBeLessThan(2 * 1024 * 1024);
    expect(sockets[1]!.isPaused()).toBe(true);
    far.end();
    expect((await readAll(far)).length).toBe(size);
  });

  it('goes on for the others when a blocked stream is given up', async () => {
    const { client, server, near, far } = await openPair();
    near.write(Buffer.alloc(4 * 1024 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 100));
    far.destroy();
    const opened = once(server, 'stream') as Promise<[SpdyStream]>;
    client.open({ streamtype: 'data' }).end('still here');
    const [second] = await opened;
    second.end();
    expect((await readAll(second)).toString()).toBe('still here');
  });

  it('resets a stream that is destroyed, and only that one', async () => {
    const { server, near, far } = await openPair();
    const closed = closeOf(far);
    near.destroy();
    await closed;
    expect(far.errored?.message).toContain('reset');
    expect(server.isClosed).toBe(false);
  });

  it('ends every stream with an error when the connection is lost', async () => {
    const { near, far, sockets } = await openPair();
    const closed = Promise.all([closeOf(near), closeOf(far)]);
    sockets[0]!.destroy();
    await closed;
    expect(near.errored?.message).toContain('closed');
  });

  it('answers the pings of the other side and not its own', async () => {
    const { client, sockets } = await connectedPair();
    const chunks: Buffer[] = [];
    sockets[0]!.on('data', (chunk) => chunks.push(chunk));
    client.ping(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(Buffer.concat(chunks).toString('hex')).toBe('800300060000000400000001');
  });

  it('closes on bytes that are not SPDY', async () => {
    const { server, sockets } = await connectedPair();
    const closed = once(server, 'close');
    sockets[0]!.write('\xff\xffGET / HTTP/1.1\r\n\r\n', 'latin1');
    const [error] = await closed;
    expect(error).toBeInstanceOf(RangeError);
  });
});
