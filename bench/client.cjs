// Runs in the pod (direct) and on the client (through the tunnel): the same code against the same server.
const fs = require('node:fs');
const net = require('node:net');

const host = 'bench-server';
const megabytes = Number(process.env.BENCH_MB ?? 256);
const now = () => performance.now();

const connect = () =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: 7000, noDelay: true }, () => resolve(socket));
    socket.on('error', reject);
  });

async function download() {
  const socket = await connect();
  const request = Buffer.alloc(9);
  request.write('D');
  request.writeBigUInt64LE(BigInt(megabytes << 20), 1);
  const started = now();
  socket.write(request);
  let received = 0;
  for await (const data of socket) received += data.length;
  if (received !== megabytes << 20) throw new Error(`received ${received} bytes of ${megabytes << 20}`);
  return (megabytes / (now() - started)) * 1000;
}

async function upload() {
  const socket = await connect();
  const chunk = Buffer.alloc(256 * 1024, 2);
  const started = now();
  socket.write('U');
  for (let sent = 0; sent < megabytes << 20; sent += chunk.length) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
  let answer = '';
  for await (const data of socket) answer += data;
  if (Number(answer) !== megabytes << 20) throw new Error(`the server counted ${answer}`);
  return (megabytes / (now() - started)) * 1000;
}

async function pingPong(count) {
  const socket = await connect();
  socket.write('E');
  const times = [];
  const payload = Buffer.alloc(64);
  for (let index = 0; index < count; index++) {
    const started = now();
    socket.write(payload);
    await new Promise((resolve) => socket.once('data', resolve));
    times.push(now() - started);
  }
  socket.destroy();
  return times;
}

async function connects(count) {
  const times = [];
  for (let index = 0; index < count; index++) {
    const started = now();
    const socket = await connect();
    times.push(now() - started);
    socket.destroy();
  }
  return times;
}

function reads(count) {
  const times = [];
  for (let index = 0; index < count; index++) {
    const started = now();
    if (fs.readFileSync('/etc/bench/4k.txt').length !== 4096) throw new Error('wrong file');
    times.push(now() - started);
  }
  return times;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function main() {
  reads(50);
  await connects(20);
  console.log(
    JSON.stringify({
      readFileSyncMs: median(reads(500)),
      connectMs: median(await connects(200)),
      pingPongMs: median(await pingPong(1000)),
      downloadMBps: await download(),
      uploadMBps: await upload(),
    }),
  );
}

main();
