// The link against direct TCP in the pod and against `kubectl port-forward` over the same API server, paired in one run.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { round, summarize, table } from './figures.mjs';
import { measureIdle } from './link-idle.mjs';
import { kubectlVersion, proxiedKubeconfig, startInPod, startKubectl, startPreloaded } from './link-world.mjs';
import { openWorld } from './world.mjs';

const MB = 1e6;
/** Added milliseconds of a round trip, and how much is moved and asked there: a test at 80 ms takes its time anyhow. */
const PATHS = [
  { addedMs: 0, bytes: 128 * MB, pings: 1000, connects: 400, calls: 1000 },
  { addedMs: 20, bytes: 64 * MB, pings: 60, connects: 160, calls: 200 },
  { addedMs: 80, bytes: 48 * MB, pings: 20, connects: 64, calls: 100 },
];

const tests = ({ bytes, pings, connects, calls }) => ({
  'download, 1 stream, MB/s': ['bulk', { direction: 'down', streams: 1, bytes }, ({ mbps }) => mbps],
  'upload, 1 stream, MB/s': ['bulk', { direction: 'up', streams: 1, bytes }, ({ mbps }) => mbps],
  'download, 16 streams, MB/s': ['bulk', { direction: 'down', streams: 16, bytes }, ({ mbps }) => mbps],
  'upload, 16 streams, MB/s': ['bulk', { direction: 'up', streams: 16, bytes }, ({ mbps }) => mbps],
  'ping-pong p50, ms': ['ping', { count: pings }, ({ p50 }) => p50],
  'ping-pong p99, ms': ['ping', { count: pings }, ({ p99 }) => p99],
  'ping-pong beside bulk p50, ms': ['ping', { count: Math.min(pings, 300), beside: true }, ({ p50 }) => p50],
  'connects, per s': ['connects', { count: connects }, ({ perSecond }) => perSecond],
  'calls, per s': ['callRate', { count: calls }, ({ perSecond }) => perSecond, 'kubectl'],
  'call p50, ms': ['calls', { count: Math.min(calls, 300) }, ({ p50 }) => p50, 'kubectl'],
  'call beside bulk p50, ms': ['calls', { count: Math.min(calls, 300), beside: true }, ({ p50 }) => p50, 'kubectl'],
});

export async function run({ json, rounds = '3', kubeconfig, only, idle = '1000,10000', minutes = '20' }) {
  const deadline = performance.now() + Number(minutes) * 60_000;
  const leftOut = [];
  const kubectl = kubectlVersion();
  if (!kubectl) console.error('kubectl is not there: the comparison with `kubectl port-forward` is left out');
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-link-'));
  const world = await openWorld({ kubeconfig });
  const paths = [];
  try {
    const { metadata } = await world.cluster.podOf(world.namespace, 'bench-server');
    const env = { ...world.env, MIRRORD_TARGET: 'deployment/bench-server' };
    const place = { world, folder, pod: metadata.name, env, kubectl };
    for (const path of PATHS) {
      const result = await measurePath(place, path, { rounds: Number(rounds), only, deadline, leftOut });
      paths.push(result);
      if (!json) printPath(result);
    }
    const memory = [];
    for (const count of idle.split(',').map(Number).filter(Boolean)) {
      if (performance.now() > deadline) {
        leftOut.push(`${count} idle streams`);
        continue;
      }
      const figures = await measureIdle(place, count);
      memory.push(figures);
      if (!json) console.log(describeIdle(figures));
    }
    if (!json && leftOut.length > 0) console.log(`\nleft out after ${minutes} minutes: ${leftOut.join('; ')}`);
    return { node: process.version, kubectl: kubectl ?? null, loadAverage: loadavg(), paths, memory, leftOut };
  } finally {
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All tests at one added round trip, each with every contender in turn. */
async function measurePath({ world, folder, pod, env, kubectl }, path, { rounds, only, deadline, leftOut }) {
  const { addedMs } = path;
  const proxied = addedMs > 0 && (await proxiedKubeconfig(env.KUBECONFIG, folder, addedMs, { delayMs: addedMs / 2 }));
  const kubeconfig = proxied ? proxied.file : env.KUBECONFIG;
  const contenders = {
    // The pod is as near to its server as ever, whatever lies between us and the cluster.
    ...(!proxied && { pod: await startInPod(kubeconfig, world.namespace, pod) }),
    ...(kubectl && { kubectl: await startKubectl(kubeconfig, world.namespace, pod) }),
    mirrord: await startPreloaded({ ...env, KUBECONFIG: kubeconfig }),
  };
  const figures = {};
  try {
    for (const [title, [action, options, read, without]] of Object.entries(tests(path))) {
      if (only && !title.includes(only)) continue;
      if (performance.now() > deadline) {
        leftOut.push(`${title} at ${addedMs} ms`);
        continue;
      }
      const runs = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
      for (let turn = 0; turn < rounds; turn++) {
        for (const [name, contender] of Object.entries(contenders)) {
          if (name === without) continue;
          const started = performance.now();
          runs[name].push(read(await contender.ask(action, options)));
          if (process.env.BENCH_VERBOSE) console.error(`${name}, ${title}: ${round(performance.now() - started)} ms`);
        }
      }
      const medians = Object.entries(runs).filter(([, values]) => values.length > 0);
      figures[title] = Object.fromEntries(medians.map(([name, values]) => [name, summarize(values).median]));
    }
  } finally {
    for (const contender of Object.values(contenders)) await contender.close();
    if (proxied) proxied.proxy.close();
  }
  return { addedMs, loadAverage: loadavg()[0], figures };
}

function printPath({ addedMs, loadAverage, figures }) {
  const show = (value) => (value === undefined ? '-' : round(value, value < 10 ? 3 : 1));
  console.log(
    `\n${addedMs} ms of added round trip; load average ${round(loadAverage)} on ${availableParallelism()} processors\n`,
  );
  const rows = Object.entries(figures).map(([title, { pod, kubectl, mirrord }]) => [
    title,
    show(pod),
    show(kubectl),
    show(mirrord),
    kubectl === undefined ? '-' : round(mirrord / kubectl, 2),
  ]);
  console.log(table([['', 'in the pod', 'kubectl', 'mirrord', 'mirrord / kubectl'], ...rows]));
}

function describeIdle({ count, client, agent, kubectl }) {
  const kb = (bytes) => (bytes === undefined ? '?' : `${round(bytes / count / 1000)} kB`);
  const beside = kubectl === undefined ? '' : `; kubectl ${kb(kubectl)}`;
  return `\n${count} idle streams, memory of each: client ${kb(client)} beyond a plain process, agent ${kb(agent)}${beside}`;
}
