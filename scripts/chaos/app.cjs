// The app under the preload: transfers and calls without end, told and reported over the IPC channel.
const { createHash } = require('node:crypto');
const dns = require('node:dns');
const fs = require('node:fs');
const net = require('node:net');
const { makeChunk, produce, SIZE } = require('./bytes.cjs');

/** Silence after which a transfer counts as stuck: longer than any outage that is made. */
const STUCK_MS = 90_000;

const tell = (message) => process.connected && process.send(message, () => {});
let running = true;
let busy = 0;

function expectedHash(seed, bytes) {
  const hash = createHash('sha256');
  return produce(seed, bytes, (chunk) => void hash.update(chunk)).then(() => hash.digest('hex'));
}

/** Where what was received begins to differ: at its end, when it was cut short. */
class Comparison {
  constructor({ seed, bytes }) {
    this.firstWrong = undefined;
    this.at = 0;
    this.chunk = (index) => makeChunk(seed, index, bytes);
  }

  take(received) {
    for (let taken = 0; taken < received.length && this.firstWrong === undefined; ) {
      const expected = this.chunk(Math.floor(this.at / SIZE));
      const from = this.at % SIZE;
      const length = Math.min(received.length - taken, expected.length - from);
      const isEqual = length > 0 && expected.compare(received, taken, taken + length, from, from + length) === 0;
      if (!isEqual) this.firstWrong = this.at;
      taken += length;
      this.at += length;
    }
  }
}

function transfer({ kind, seed, bytes }) {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    const comparison = new Comparison({ seed, bytes });
    let received = 0;
    let answer = '';
    const socket = net.connect({ host: 'chaos-server', port: 7100, allowHalfOpen: true, noDelay: true });
    const stuck = () => {
      const where = `${kind}, ${received} of ${bytes} bytes received, ${socket.bytesWritten} written`;
      socket.destroy(Object.assign(new Error(`stuck for ${STUCK_MS / 1000} s: ${where}`), { code: 'STUCK' }));
    };
    socket.setTimeout(STUCK_MS, stuck);
    socket.on('data', (chunk) => {
      if (kind === 'up') answer += chunk;
      else {
        hash.update(chunk);
        comparison.take(chunk);
      }
      received += chunk.length;
    });
    socket.on('error', reject);
    socket.on('close', () => reject(Object.assign(new Error('closed early'), { code: 'CLOSED' })));
    socket.on('end', () => {
      socket.end();
      if (kind === 'up' ? answer === '' : received < bytes && comparison.firstWrong === undefined) {
        // libuv takes a reset for an end when bytes are unread: the app sees the beginning, and nothing wrong.
        return reject(Object.assign(new Error(`${received} of ${bytes} bytes, then the end`), { code: 'ENDED_SHORT' }));
      }
      if (kind !== 'up') {
        return resolve({ received, sha256: hash.digest('hex'), firstWrong: comparison.firstWrong });
      }
      try {
        resolve(JSON.parse(answer));
      } catch {
        reject(new Error(`a strange answer of ${answer.length} bytes`));
      }
    });
    socket.on('connect', () => {
      socket.write(`${JSON.stringify({ kind, seed, bytes })}\n`);
      if (kind === 'down') return;
      produce(seed, bytes, (chunk) => {
        if (socket.destroyed) return new Promise(() => {});
        return socket.write(chunk) ? undefined : new Promise((done) => socket.once('drain', done));
      }).then(() => socket.end());
    });
  });
}

/** One after the other; what fails is reported with the time it began and is not tried again. */
async function lane(number, next) {
  while (running) {
    const job = next();
    const began = Date.now();
    busy += 1;
    try {
      const [result, expected] = await Promise.all([transfer(job), expectedHash(job.seed, job.bytes)]);
      const ok = result.sha256 === expected && result.received === job.bytes;
      tell({ type: 'transfer', ok, lane: number, began, ...job, ...(!ok && { result, expected }) });
    } catch (error) {
      tell({
        type: 'failed',
        what: `transfer ${job.kind}`,
        code: error.code,
        message: error.message,
        began,
        lane: number,
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    busy -= 1;
  }
}

/** Calls of each kind, whose answers are known. */
async function callLane(expected) {
  for (let turn = 0; running; turn++) {
    const began = Date.now();
    busy += 1;
    const what = ['readFile', 'stat', 'lookup', 'readFileSync'][turn % 4];
    try {
      let ok;
      if (what === 'stat') ok = (await fs.promises.stat('/etc/chaos/file.bin')).size === expected.length;
      else if (what === 'lookup') ok = (await dns.promises.lookup('chaos-server')).address === expected.address;
      else {
        const read =
          what === 'readFile'
            ? await fs.promises.readFile('/etc/chaos/file.bin')
            : fs.readFileSync('/etc/chaos/file.bin');
        ok = createHash('sha256').update(read).digest('hex') === expected.sha256;
      }
      tell({ type: 'call', ok, what, began });
    } catch (error) {
      tell({ type: 'failed', what, code: error.code, message: error.message, began });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    busy -= 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

process.on('message', (message) => {
  if (message.type === 'stop') {
    running = false;
    const timer = setInterval(() => {
      if (busy > 0) return;
      clearInterval(timer);
      tell({ type: 'stopped' });
      setTimeout(() => process.exit(0), 100);
    }, 20);
    return;
  }
  const { seed, lanes, maxBytes, file, address } = message;
  let state = seed >>> 0;
  const random = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const kinds = ['up', 'down', 'both'];
  // Small and big ones: sizes are spread evenly over their orders of magnitude.
  const next = () => ({
    kind: kinds[random(3)],
    seed: random(2 ** 31),
    bytes: 1 + Math.floor(2 ** ((random(1000) / 1000) * Math.log2(maxBytes))),
  });
  for (let number = 0; number < lanes; number++) void lane(number, next);
  void callLane({ ...file, address });
});
tell({ type: 'ready' });
