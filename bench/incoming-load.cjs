// Runs in a pod beside the target: requests one after another on some lanes, for some time; prints their rate and times.
const http = require('node:http');
const http2 = require('node:http2');
const [, , host, protocol, lanes, ms, header = ''] = process.argv;
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

async function measure(request, limit) {
  const times = [];
  const started = performance.now();
  const lane = async () => {
    while (performance.now() < started + limit) {
      const at = performance.now();
      await request();
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: Number(lanes) }, lane));
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor((times.length - 1) * share)];
  return { rps: (times.length * 1000) / (performance.now() - started), p50: at(0.5), p99: at(0.99) };
}

const { request, close } = protocol === 'http2' ? openHttp2() : openHttp1();
measure(request, 300)
  .then(() => measure(request, Number(ms)))
  .then((figures) => {
    console.log(JSON.stringify(figures));
    close();
  });
