// The main program of the pod in the agent's tests: an echo server and a name server, both on the pod's own 127.0.0.1.
const dgram = require('node:dgram');
const net = require('node:net');
const packet = require('dns-packet');

const RECORDS = {
  'db.shop.svc.cluster.local': { A: ['10.96.0.7'], AAAA: ['fd00::7'], TXT: [['a', 'b']] },
  '_pg._tcp.db.shop.svc.cluster.local': {
    SRV: [{ target: 'db.shop.svc.cluster.local', port: 5432, priority: 1, weight: 2 }],
  },
};

const names = dgram.createSocket('udp4');
names.on('message', (message, from) => {
  const query = packet.decode(message);
  const [{ name, type }] = query.questions;
  const known = RECORDS[name.toLowerCase()];
  const answers = (known?.[type] ?? []).map((data) => ({ name, type, ttl: 30, data }));
  const flags = packet.AUTHORITATIVE_ANSWER | (known ? 0 : 3);
  const answer = { id: query.id, type: 'response', flags, questions: query.questions, answers };
  names.send(packet.encode(answer), from.port, from.address);
});

const echo = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('end', () => socket.end(Buffer.concat([Buffer.from('echo:'), ...chunks])));
});

names.bind(53, '127.0.0.1', () => echo.listen(5555, '127.0.0.1', () => console.log('target serves')));
