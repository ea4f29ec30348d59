// In the pod: asks the server what it holds open.
const net = require('node:net');

const socket = net.connect({ host: '127.0.0.1', port: 7100 }, () => socket.end('{"kind":"facts"}\n'));
socket.pipe(process.stdout);
