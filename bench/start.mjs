// Start-up of a process, and a read, a connect and a transfer through the tunnel against the same in the pod.
import { splitColdStart } from './cold-start.mjs';
import { round, table } from './figures.mjs';
import { cli, here, openWorld, output } from './world.mjs';

export async function run({ json, rounds = '7', kubeconfig }) {
  const world = await openWorld({ kubeconfig });
  try {
    const settings = Object.fromEntries(
      Object.entries(world.env).filter(([name]) => name === 'KUBECONFIG' || name.startsWith('MIRRORD_')),
    );
    const exec = (command, extra) =>
      output(process.execPath, [cli, 'exec', '--', ...command], { ...world.env, ...extra });
    // The process that starts the others is dormant itself: it would hand its session to each of them.
    const start = JSON.parse(
      await exec(['env', 'MIRRORD_DISABLE=1', process.execPath, here('attached.mjs')], {
        BENCH_ROUNDS: rounds,
        BENCH_SETTINGS: JSON.stringify(settings),
      }),
    );
    const pod = await world.cluster.podOf(world.namespace, 'bench-target');
    const tunnel = JSON.parse(await exec([process.execPath, here('client.cjs')], {}));
    const direct = JSON.parse(await world.cluster.run(world.namespace, pod.metadata.name, ['node', '/app/client.cjs']));
    const steps = await splitColdStart(world.env, Number(rounds));
    const report = { node: process.version, start, steps, tunnel, direct };
    if (!json) print(report);
    return report;
  } finally {
    await world.close();
  }
}

function print({ node, start, steps, tunnel, direct }) {
  const plain = start['plain node'].median;
  console.log(`${node}; start of the process to the first line of the app, ms\n`);
  console.log(
    table([
      ['', 'median', 'min', 'max', 'more than plain'],
      ...Object.entries(start).map(([name, { median, min, max }]) => [
        name,
        round(median),
        round(min),
        round(max),
        `+${round(median - plain)}`,
      ]),
    ]),
  );
  console.log('\na start without a warm agent, by mirrord exec, step by step, ms\n');
  console.log(
    table([
      ['', 'median', 'min', 'max'],
      ...Object.entries(steps).map(([name, { median, min, max }]) => [name, round(median), round(min), round(max)]),
    ]),
  );
  console.log('\nthrough the tunnel against the same program in the pod\n');
  const rows = {
    'readFileSync of 4 KB, ms': 'readFileSyncMs',
    'connect, ms': 'connectMs',
    'ping-pong of 64 B, ms': 'pingPongMs',
    'download, MB/s': 'downloadMBps',
    'upload, MB/s': 'uploadMBps',
  };
  console.log(
    table([
      ['', 'tunnel', 'in the pod', 'ratio'],
      ...Object.entries(rows).map(([title, key]) => [
        title,
        round(tunnel[key], 3),
        round(direct[key], 3),
        round(tunnel[key] / direct[key], 2),
      ]),
    ]),
  );
}
