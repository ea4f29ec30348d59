// Runs in a pod beside the target that sees the node's processes: requests one after another on some lanes, for some time; prints
// their rate and times, and the processor time that the agent of the target's container took for each.
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const [, , host, protocol, lanes, ms, container, header = ''] = process.argv;
const headers = header ? { 'x-user': header } : {};

function openHttp1() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number(lanes) });
  const request = () =>
    new Promise((resolve, reject) => {
      const call = http.get({ host, port: 7080, agent, headers }, (response) => {
        response.resume().on('end', resolve);
      });
      call.on('error', reject);
    });
  return { request, close: () => agent.destroy() };
}

/** All lanes are streams of one connection. */
function openHttp2() {
  const session = http2.connect(`http://${host}:7081`);
  const request = () =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/', ...headers });
      stream.resume().on('end', resolve).on('error', reject);
    });
  return { request, close: () => session.destroy() };
}

/** Microseconds, of the process that serves; undefined where there is none. */
function agentTime() {
  const read = (pid, name) => {
    try {
      return fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
    } catch {
      return '';
    }
  };
  const worker = fs.readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid) || !read(pid, 'cmdline').split('\0').includes('--worker')) return false;
    const parent = read(pid, 'stat').split(') ')[1]?.split(' ')[1];
    return read(parent, 'cmdline').split('\0').includes(container);
  });
  if (!worker) return undefined;
  const threads = fs.readdirSync(`/proc/${worker}/task`);
  return threads.reduce(
    (sum, thread) => sum + Number(read(worker, `task/${thread}/schedstat`).split(' ')[0]) / 1000,
    0,
  );
}

async function measure(request, limit) {
  const times = [];
  const before = agentTime();
  const started = performance.now();
  const lane = async () => {
    while (performance.now() < started + limit) {
      const at = performance.now();
      await request();
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: Number(lanes) }, lane));
  const seconds = (performance.now() - started) / 1000;
  const agent = before === undefined ? undefined : (agentTime() - before) / times.length;
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor((times.length - 1) * share)];
  return { rps: times.length / seconds, p50: at(0.5), p99: at(0.99), agent };
}

const { request, close } = protocol === 'http2' ? openHttp2() : openHttp1();
measure(request, 300)
  .then(() => measure(request, Number(ms)))
  .then((figures) => {
    console.log(JSON.stringify(figures));
    close();
  });
