// Speaks first bytes on request: 'D' + u64 sends that many bytes, 'U' counts what comes until the half-close, 'E' echoes.
const net = require('node:net');

const chunk = Buffer.alloc(256 * 1024, 1);

net
  .createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (first) => {
      const kind = String.fromCharCode(first[0]);
      if (kind === 'D') return send(socket, Number(first.readBigUInt64LE(1)));
      if (kind === 'U') return count(socket, first.length - 1);
      socket.write(first.subarray(1));
      socket.pipe(socket);
    });
  })
  .listen(7000);

function send(socket, left) {
  // `kubectl port-forward` tells of a client that went away by a half-close only: without this it would go on for ever, and all
  // that is measured afterwards would be measured beside it.
  socket.on('end', () => socket.destroy());
  const more = () => {
    while (left > 0) {
      const size = Math.min(left, chunk.length);
      left -= size;
      if (!socket.write(size === chunk.length ? chunk : chunk.subarray(0, size))) return socket.once('drain', more);
    }
    socket.end();
  };
  more();
}

function count(socket, received) {
  socket.on('data', (data) => {
    received += data.length;
  });
  socket.on('end', () => socket.end(String(received)));
}
