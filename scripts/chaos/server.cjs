// In the pod. The first line of a connection says what is wanted: up = hash what comes, down = send, both = echo.
const { createHash } = require('node:crypto');
const net = require('node:net');
const { produce } = require('./bytes.cjs');

/** Connections that are open, with what is known of each. */
const open = new Map();
const startedAt = Date.now();

net
  .createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    open.set(socket, { since: Date.now() });
    socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
    // A probe of the kubelet says nothing and goes.
    const onEarlyEnd = () => socket.destroy();
    socket.on('end', onEarlyEnd);
    let head = Buffer.alloc(0);
    const onData = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(10);
      if (end < 0) return;
      socket.off('data', onData).off('end', onEarlyEnd);
      socket.pause();
      if (end + 1 < head.length) socket.unshift(head.subarray(end + 1));
      serve(socket, JSON.parse(head.subarray(0, end)));
    };
    socket.on('data', onData).resume();
  })
  .listen(7100);

function serve(socket, { kind, seed, bytes }) {
  Object.assign(open.get(socket) ?? {}, { kind, bytes });
  if (kind === 'up') {
    const hash = createHash('sha256');
    let received = 0;
    socket.on('data', (chunk) => {
      hash.update(chunk);
      received += chunk.length;
    });
    socket.on('end', () => socket.end(JSON.stringify({ sha256: hash.digest('hex'), received })));
    // It was paused on purpose, so that a listener alone does not make it flow.
    socket.resume();
  } else if (kind === 'down') {
    socket.resume();
    produce(seed, bytes, (chunk) => {
      if (socket.destroyed) return new Promise(() => {});
      return socket.write(chunk) ? undefined : new Promise((resolve) => socket.once('drain', resolve));
    }).then(() => socket.end());
  } else if (kind === 'both') {
    socket.pipe(socket);
  } else {
    const others = [...open].filter(([other]) => other !== socket);
    const facts = others.map(([{ bytesRead, bytesWritten, readableEnded, writableEnded }, { since, ...about }]) => ({
      ...about,
      ageMs: Date.now() - since,
      bytesRead,
      bytesWritten,
      readableEnded,
      writableEnded,
    }));
    socket.resume().end(JSON.stringify({ pid: process.pid, startedAt, open: facts }));
  }
}
