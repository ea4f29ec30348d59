// Carries out the measurements it is told, one JSON line each: in the pod, behind `kubectl port-forward`, or under the preload.
const fs = require('node:fs');
const net = require('node:net');
const readline = require('node:readline');

const now = () => performance.now();
const [host, port] = [process.env.LINK_HOST ?? '127.0.0.1', Number(process.env.LINK_PORT ?? 7000)];
const idle = [];

const connect = () =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });

const once = (socket, event) =>
  new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });

/** An echo connection whose way there and back has been gone once. */
async function openEcho() {
  const socket = await connect();
  const answer = once(socket, 'data');
  socket.write('Ex');
  await answer;
  socket
    .removeAllListeners('close')
    .removeAllListeners('error')
    .on('error', () => {});
  return socket;
}

async function download(bytes) {
  const socket = await connect();
  const request = Buffer.alloc(9);
  request.write('D');
  request.writeBigUInt64LE(BigInt(bytes), 1);
  socket.write(request);
  let received = 0;
  for await (const data of socket) received += data.length;
  if (received !== bytes) throw new Error(`received ${received} bytes of ${bytes}`);
}

async function upload(bytes) {
  const socket = await connect();
  const chunk = Buffer.alloc(64 * 1024, 2);
  socket.write('U');
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  // A port-forward has no half-close in each of its forms: the count is asked for by its length.
  socket.end();
  let answer = '';
  for await (const data of socket) answer += data;
  if (Number(answer) !== bytes) throw new Error(`the server counted ${answer} of ${bytes}`);
}

const percentile = (values, share) => [...values].sort((a, b) => a - b)[Math.floor(values.length * share)];
const describe = (times) => ({ p50: percentile(times, 0.5), p99: percentile(times, 0.99) });

async function pingPong(socket, count) {
  const payload = Buffer.alloc(64);
  const times = [];
  for (let index = 0; index < count; index++) {
    const started = now();
    socket.write(payload);
    await new Promise((resolve) => socket.once('data', resolve));
    times.push(now() - started);
  }
  return describe(times);
}

/** Runs `work` beside a download that never ends. */
async function besideBulk(work) {
  const bulk = await connect();
  const request = Buffer.alloc(9);
  request.write('D');
  request.writeBigUInt64LE(1n << 45n, 1);
  bulk.on('data', () => {}).on('error', () => {});
  bulk.write(request);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const result = await work();
  bulk.destroy();
  return result;
}

async function manyAtOnce(count, lanes, action) {
  let left = count;
  const started = now();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (left-- > 0) await action();
    }),
  );
  return { perSecond: (count / (now() - started)) * 1000 };
}

async function calls(count) {
  const times = [];
  for (let index = 0; index < count; index++) {
    const started = now();
    await fs.promises.stat('/etc/bench/4k.txt');
    times.push(now() - started);
  }
  return describe(times);
}

const actions = {
  async bulk({ direction, streams, bytes }) {
    const each = Math.ceil(bytes / streams / 65_536) * 65_536;
    const started = now();
    await Promise.all(Array.from({ length: streams }, () => (direction === 'down' ? download(each) : upload(each))));
    return { mbps: ((each * streams) / 1e6 / (now() - started)) * 1000 };
  },
  async ping({ count, beside }) {
    const socket = await openEcho();
    const result = await (beside ? besideBulk(() => pingPong(socket, count)) : pingPong(socket, count));
    socket.destroy();
    return result;
  },
  connects: ({ count }) => manyAtOnce(count, 16, async () => (await openEcho()).destroy()),
  calls: ({ count, beside }) => (beside ? besideBulk(() => calls(count)) : calls(count)),
  callRate: ({ count }) => manyAtOnce(count, 16, () => fs.promises.stat('/etc/bench/4k.txt')),
  async idle({ count }) {
    if (idle.length === 0) idle.push(await openEcho());
    global.gc?.();
    const before = process.memoryUsage.rss();
    await manyAtOnce(count, 64, async () => void idle.push(await openEcho()));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    global.gc?.();
    return { rssBytes: process.memoryUsage.rss() - before };
  },
  async closeIdle() {
    for (const socket of idle.splice(0)) socket.destroy();
    return {};
  },
};

process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
readline
  .createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { action, ...options } = JSON.parse(line);
    let answer;
    try {
      answer = await actions[action](options);
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  })
  .on('close', () => process.exit(0));
