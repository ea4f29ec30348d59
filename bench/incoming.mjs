// Requests to a pod that has an agent, each case beside the same requests to a pod that has none, in turn.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { round, summarize, table } from './figures.mjs';
import { proxiedKubeconfig } from './link-world.mjs';
import { here, openWorld, preload } from './world.mjs';

const FILTER = '^x-user: .*me.*$';
const LOADS = {
  'HTTP/1.1, one at a time': { protocol: 'http1', lanes: 1 },
  'HTTP/1.1, 16 connections': { protocol: 'http1', lanes: 16 },
  'HTTP/2, 16 streams': { protocol: 'http2', lanes: 16 },
};
const CASES = {
  'passed through by the filter': { mode: 'true', filter: FILTER },
  'stolen by the filter': { mode: 'true', filter: FILTER, header: 'it is me' },
  stolen: { mode: 'true' },
  mirrored: { mode: 'mirror' },
  'mirrored, client stopped': { mode: 'mirror', stopped: true },
};
/** Added round trips between client and cluster for the last table, in milliseconds. */
const ADDED_MS = 20;
const STINT_MS = 1000;

export async function run({ json, kubeconfig, rounds = '3', only }) {
  const world = await openWorld({ kubeconfig });
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-incoming-'));
  try {
    const place = await openPlace(world);
    const report = { node: process.version, cases: {}, far: {} };
    for (const [name, given] of Object.entries(CASES)) {
      if (only && !name.includes(only)) continue;
      const app = await develop(world.env, given);
      report.cases[name] = await measureCase(place, app, given, LOADS, Number(rounds));
      await app.end();
      if (!json) printCase(name, report.cases[name]);
    }
    const { file, proxy } = await proxiedKubeconfig(world.env.KUBECONFIG, folder, ADDED_MS, { delayMs: ADDED_MS / 2 });
    const near = { 'HTTP/1.1, one at a time': LOADS['HTTP/1.1, one at a time'] };
    for (const name of ['passed through by the filter', 'stolen by the filter', 'stolen']) {
      if (only && !name.includes(only)) continue;
      const app = await develop({ ...world.env, KUBECONFIG: file }, CASES[name]);
      const [figures] = Object.values(await measureCase(place, app, CASES[name], near, Number(rounds)));
      report.far[name] = (figures.p50 - figures.direct.p50) / ADDED_MS;
      await app.end();
    }
    proxy.close();
    if (!json) printFar(report.far);
    return { ...report, load: loadavg()[0] };
  } finally {
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openPlace(world) {
  const serve = ['node', '/code/incoming-app.cjs'];
  const load = await world.addPod('bench-load', 'incoming-load.cjs', ['node', '-e', 'setInterval(() => {}, 1e6)'], {
    hostPID: true,
  });
  const direct = await world.addPod('bench-direct', 'incoming-app.cjs', serve, { port: 7080 });
  const target = await world.addPod('bench-http', 'incoming-app.cjs', serve, { port: 7080 });
  const measure = async (pod, { protocol, lanes }, header = '') => {
    const container = pod.status.containerStatuses[0].containerID.split('//')[1];
    const command = [
      'node',
      '/code/incoming-load.cjs',
      pod.status.podIP,
      protocol,
      `${lanes}`,
      `${STINT_MS}`,
      container,
      header,
    ];
    return JSON.parse(await world.cluster.run(world.namespace, load.metadata.name, command));
  };
  return { direct, target, measure };
}

/** For each load the medians over the rounds, of this case and of the pod without an agent beside it. */
async function measureCase({ direct, target, measure }, app, { header, stopped }, loads, rounds) {
  const figures = {};
  for (const [name, load] of Object.entries(loads)) {
    const beside = [];
    const own = [];
    for (let turn = 0; turn < rounds; turn++) {
      beside.push(await measure(direct, load));
      // For one stint only: a client that is silent for longer is taken for gone, and its copies end.
      if (stopped) app.stop();
      own.push(await measure(target, load, header));
      if (stopped) app.goOn();
    }
    figures[name] = { ...medians(own), direct: medians(beside) };
  }
  return figures;
}

function medians(stints) {
  const of = (key) => summarize(stints.map((stint) => stint[key])).median;
  return { rps: of('rps'), p50: of('p50'), p99: of('p99'), ...(stints[0].agent && { agent: of('agent') }) };
}

async function develop(env, { mode, filter }) {
  const app = fork(here('incoming-app.cjs'), {
    execArgv: ['-r', preload],
    env: {
      ...env,
      MIRRORD_TARGET: 'deployment/bench-http',
      MIRRORD_AGENT_TCP_STEAL_TRAFFIC: mode,
      ...(filter && { MIRRORD_HTTP_HEADER_FILTER: filter }),
    },
  });
  await once(app, 'message');
  return {
    stop: () => app.kill('SIGSTOP'),
    goOn: () => app.kill('SIGCONT'),
    async end() {
      const exited = once(app, 'exit');
      // In good order: the port of a session that was cut stays taken for its grace time.
      app.disconnect();
      await exited;
    },
  };
}

function printCase(title, figures) {
  const rows = Object.entries(figures).map(([name, { rps, p50, p99, agent, direct }]) => [
    name,
    round(rps, 0),
    round(p50, 2),
    round(p99, 2),
    round(direct.rps, 0),
    round(direct.p50, 2),
    round(p50 / direct.p50, 2),
    round(agent, 0),
  ]);
  const head = [title, 'requests/s', 'p50, ms', 'p99, ms', 'direct/s', 'direct p50', 'p50 / direct', 'agent CPU, µs'];
  console.log(`${table([head, ...rows])}\n`);
}

function printFar(far) {
  const rows = Object.entries(far).map(([name, trips]) => [name, round(trips, 2)]);
  console.log(table([[`with ${ADDED_MS} ms of added round trip`, 'round trips added to p50'], ...rows]));
}
