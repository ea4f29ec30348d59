import { spawn } from 'node:child_process';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Outgoing } from '../../../src/agent/outgoing';
import type { MuxStream, StreamRequest } from '../../../src/protocol/session-types';
import type { Tunnel } from '../../../src/tunnel/tunnel';
import { linkInProcess } from './link';
import { until } from './pod-node';
import { rejection } from './pod-root';

const linkTo = (outgoing: Outgoing): Promise<Tunnel> =>
  linkInProcess((connection) => {
    connection.onOpen((request) => outgoing.open(request));
    connection.onClose(() => outgoing.close());
  });

describe('Outgoing', () => {
  let server: Server;
  let port: number;
  let sockets: Socket[];
  let link: Tunnel;

  beforeEach(async () => {
    sockets = [];
    server = createServer({ allowHalfOpen: true }, (socket) => sockets.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as { port: number }).port;
  });
  afterEach(async () => {
    await link?.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });

  it('holds the limit of connections at n, refuses n + 1 with EMFILE, and has room again after a close', async () => {
    const outgoing = new Outgoing(2);
    link = await linkTo(outgoing);
    const open = () => link.open({ kind: 'tcp', host: '127.0.0.1', port });
    const [first] = await Promise.all([open(), open()]);
    expect(await rejection(open())).toMatchObject({ code: 'EMFILE' });
    first.reset('ECONNRESET');
    await until('room', () => outgoing.size === 1);
    await open();
  });

  it('a connect that takes too long is ETIMEDOUT', async () => {
    // A process that listens and never accepts: once its queue is full, the kernel drops every SYN.
    const script = `const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('fs').writeSync(1, String(s.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    })`;
    const deaf = spawn(process.execPath, ['-e', script]);
    const deafPort = Number(await new Promise((resolve) => deaf.stdout.once('data', resolve)));
    const fillers = Array.from({ length: 6 }, () => connect(deafPort, '127.0.0.1').on('error', () => {}));
    try {
      await until('a full queue', () => fillers.filter(({ connecting }) => !connecting).length >= 2);
      const outgoing = new Outgoing(10, 100);
      link = await linkTo(outgoing);
      const error = await rejection(link.open({ kind: 'tcp', host: '127.0.0.1', port: deafPort }));
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      await until('nothing left', () => outgoing.size === 0);
    } finally {
      for (const socket of fillers) socket.destroy();
      deaf.kill('SIGKILL');
    }
  });

  it('a client that goes away before the answer leaves no connection behind', async () => {
    const outgoing = new Outgoing(10);
    link = await linkTo(outgoing);
    const controller = new AbortController();
    const opening = link.open({ kind: 'tcp', host: '127.0.0.1', port }, controller.signal);
    controller.abort();
    await opening.catch(() => {});
    await until('nothing left', () => outgoing.size === 0);
  });

  it('the end of the session resets what is open, as the peer sees', async () => {
    const outgoing = new Outgoing(10);
    link = await linkTo(outgoing);
    const stream = await link.open({ kind: 'tcp', host: '127.0.0.1', port });
    stream.write(Buffer.from('x'));
    const socket = await until('the connection', () => sockets[0]);
    await new Promise((resolve) => socket.once('data', resolve));
    const ended = new Promise((resolve) => socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code)));
    await link.close();
    expect(await ended).toBe('ECONNRESET');
    expect(outgoing.size).toBe(0);
  });

  it('the end of the session closes what was ended and waits for a peer that says nothing', async () => {
    const outgoing = new Outgoing(10);
    link = await linkTo(outgoing);
    const stream = await link.open({ kind: 'tcp', host: '127.0.0.1', port });
    stream.onData = () => {};
    stream.end();
    const socket = await until('the connection', () => sockets[0]);
    await new Promise((resolve) => socket.once('end', resolve).resume());
    expect(outgoing.size).toBe(1);
    await link.close();
    await until('nothing left', () => outgoing.size === 0);
  });

  it('the end of the session closes what a peer does not read, once its time is over', async () => {
    server.on('connection', (socket) => socket.pause());
    const outgoing = new Outgoing(10, undefined, 200);
    // More than any window: what is under test is what comes after it.
    const stream: Partial<MuxStream> = { consumed: () => {}, end: () => {}, reset: () => {}, write: () => true };
    const request = { metadata: { kind: 'tcp', host: '127.0.0.1', port }, accept: () => stream, refuse: () => {} };
    outgoing.open(request as unknown as StreamRequest);
    await until('it to be joined', () => stream.onData !== undefined);
    for (let n = 0; n < 400; n += 1) stream.onData!(Buffer.alloc(65_536));
    stream.onEnd!();
    stream.onReset!({ code: 'ECONNRESET', sessionOver: true });
    expect(outgoing.size).toBe(1);
    outgoing.close();
    await until('nothing left', () => outgoing.size === 0);
  });

  it('refuses what is no host and port', async () => {
    link = await linkTo(new Outgoing(10));
    for (const [host, wrong] of [
      ['', 1],
      ['x', 65_536],
      ['x', -1],
      ['x', 1.5],
    ] as const) {
      const error = await rejection(link.open({ kind: 'tcp', host, port: wrong }));
      expect(error).toMatchObject({ code: 'BAD_PARAMETERS' });
    }
  });
});
