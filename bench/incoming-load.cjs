// Runs in a pod beside the target: keep-alive requests over some connections for some seconds; prints rate and times.
const http = require('node:http');
const [, , host, header = ''] = process.argv;
const seconds = Number(process.env.BENCH_SECONDS ?? 3);
const connections = 16;
const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
const headers = header ? { 'x-user': header } : {};

const request = () =>
  new Promise((resolve, reject) => {
    const call = http.get({ host, port: 7080, agent, headers }, (response) => {
      response.resume();
      response.on('end', resolve);
    });
    call.on('error', reject);
  });

async function run(until, times) {
  while (performance.now() < until) {
    const started = performance.now();
    await request();
    times.push(performance.now() - started);
  }
}

async function measure(ms) {
  const times = [];
  const started = performance.now();
  await Promise.all(Array.from({ length: connections }, () => run(started + ms, times)));
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor((times.length - 1) * share)];
  return { rps: (times.length * 1000) / (performance.now() - started), p50: at(0.5), p99: at(0.99) };
}

measure(500)
  .then(() => measure(seconds * 1000))
  .then((figures) => {
    console.log(JSON.stringify(figures));
    agent.destroy();
  });
