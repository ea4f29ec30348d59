// Requests to a pod: direct, passed through by a filter, stolen by a filter, stolen whole, mirrored.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { round, table } from './figures.mjs';
import { here, openWorld, preload } from './world.mjs';

const CASES = {
  direct: undefined,
  'passed through by the filter': { mode: 'true', filter: '^x-user: me$' },
  'stolen by the filter': { mode: 'true', filter: '^x-user: me$', header: 'me' },
  stolen: { mode: 'true' },
  mirrored: { mode: 'mirror' },
};

export async function run({ json, kubeconfig }) {
  const world = await openWorld({ kubeconfig });
  try {
    const load = await world.addPod('bench-load', 'incoming-load.cjs', ['node', '-e', 'setInterval(() => {}, 1e6)']);
    const target = await world.addPod('bench-http', 'incoming-app.cjs', ['node', '/code/incoming-app.cjs'], 7080);
    const measure = async (header = '') => {
      const command = ['node', '/code/incoming-load.cjs', target.status.podIP, header];
      return JSON.parse(await world.cluster.run(world.namespace, load.metadata.name, command));
    };
    const report = {};
    for (const [name, given] of Object.entries(CASES)) {
      const app = given && (await develop(world.env, given));
      report[name] = await measure(given?.header);
      await app?.end();
    }
    if (!json) print(report);
    return report;
  } finally {
    await world.close();
  }
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
    async end() {
      const exited = once(app, 'exit');
      // In good order: the port of a session that was cut stays taken for its grace time.
      app.disconnect();
      await exited;
    },
  };
}

function print(report) {
  const rows = Object.entries(report).map(([name, { rps, p50, p99 }]) => [
    name,
    round(rps, 0),
    round(p50, 2),
    round(p99, 2),
    round(p50 / report.direct.p50, 2),
  ]);
  console.log(`${process.version}; HTTP/1.1, 16 connections with keep-alive\n`);
  console.log(table([['', 'requests/s', 'p50, ms', 'p99, ms', 'p50 against direct'], ...rows]));
}
