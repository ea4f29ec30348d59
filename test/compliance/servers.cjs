'use strict';
// The far end of the compliance suite, in a process of its own: what an app in the cluster would connect to.
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const tls = require('node:tls');

// The first byte says what the server does: E echo, S count until FIN and answer the sum, D send as many bytes as the next
// eight say and end, R reset at once.
function serve(socket) {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  let mode;
  let head = Buffer.alloc(0);
  let counted = 0;
  socket.on('data', (chunk) => {
    if (!mode) {
      head = Buffer.concat([head, chunk]);
      const code = String.fromCharCode(head[0]);
      if (code === 'D' && head.length < 9) return;
      mode = code;
      chunk = head.subarray(1);
      if (mode === 'R') return socket.resetAndDestroy();
      if (mode === 'D') return send(socket, Number(head.readBigUInt64LE(1)));
    }
    if (mode === 'E' && chunk.length > 0 && !socket.write(chunk)) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
    counted += chunk.length;
  });
  socket.on('end', () => {
    if (mode === 'S') socket.write(`${counted} bytes, then FIN`);
    setTimeout(() => socket.end(), mode === 'S' ? 20 : 0);
  });
}

function send(socket, left) {
  const chunk = Buffer.alloc(65_536, 1);
  const push = () => {
    while (left > 0) {
      const size = Math.min(left, chunk.length);
      left -= size;
      if (!socket.write(size === chunk.length ? chunk : chunk.subarray(0, size))) return socket.once('drain', push);
    }
    socket.end();
  };
  push();
}

function respond(request, response) {
  if (request.url === '/big') return response.end(Buffer.alloc(8 << 20, 1));
  if (request.url === '/echo') return request.pipe(response);
  if (request.url === '/slow') return setTimeout(() => response.end('late'), 300);
  response.setHeader('x-seen-method', request.method);
  response.end(`hello ${request.url}`);
}

const listen = (server, host = '127.0.0.1') =>
  new Promise((resolve) => server.listen(0, host, () => resolve(server.address().port)));

(async () => {
  const key = process.env.COMPLIANCE_KEY;
  const cert = process.env.COMPLIANCE_CERT;
  const quiet = (server) => server.on('tlsClientError', () => {}).on('sessionError', () => {});
  const ports = {
    tcp: await listen(net.createServer({ allowHalfOpen: true }, serve)),
    tls: await listen(quiet(tls.createServer({ key, cert }, (socket) => socket.on('error', () => {}).pipe(socket)))),
    http: await listen(http.createServer(respond)),
    https: await listen(quiet(require('node:https').createServer({ key, cert }, respond))),
    http2: await listen(quiet(http2.createSecureServer({ key, cert }, respond))),
  };
  process.send(ports);
})();
// Gone with the harness, however that ends.
process.on('disconnect', () => process.exit());
