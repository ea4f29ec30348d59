// npm run chaos -- [--seed N] [--minutes M] [--bytes B] [--apps N] [--without killWorker,…] [--only cut,…] [--json]
//
// Apps under the preload move bytes and make calls through a real agent, while the connection to the API server is cut,
// delayed, throttled and made to swallow everything, and while apps and agents are killed. Ends with 1 when a byte or an answer
// differed, when something failed that nobody had killed, or when something is left behind.
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Apps } from './chaos/apps.mjs';
import { createRandom } from './chaos/random.mjs';
import { storm } from './chaos/storm.mjs';
import { openWorld } from './chaos/world.mjs';

// A scenario of its own, with its own options: `--scenario incoming`.
const scenario = process.argv.indexOf('--scenario');
if (scenario > 0) {
  const [, name] = process.argv.splice(scenario, 2);
  await import(`./chaos-${name}.mjs`);
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '2' },
    /** The least to be moved; the storm goes on until then, at most three times as long. Default: 1 GiB in ten minutes. */
    bytes: { type: 'string' },
    apps: { type: 'string', default: '2' },
    without: { type: 'string', default: '' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const durationMs = Number(values.minutes) * 60_000;
const leastBytes = Number(values.bytes ?? Math.min(1, Number(values.minutes) / 10) * 2 ** 30);
const started = Date.now();
const say = (text) => {
  if (!values.json) console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);
};

say(`seed ${seed}`);
const random = createRandom(seed);
const world = await openWorld();
// A generator of its own: when an app is started depends on time, and must not shift the decisions of the storm.
const apps = new Apps({ world, random: createRandom(seed + 1), say, settings: { lanes: 6, maxBytes: 8 << 20 } });
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    for (const { child } of apps.slots) child.kill('SIGKILL');
    await world.close();
    process.exit(1);
  });
}
let deeds = {};
try {
  const { startedAt } = await world.serverFacts();
  await apps.start(Number(values.apps));
  say('the apps run');
  const begun = Date.now();
  const until = () => begun + (apps.totals.bytes >= leastBytes ? 1 : 3) * durationMs;
  deeds = await storm({
    world,
    apps,
    random,
    durationMs,
    until,
    say,
    without: values.without.split(','),
    only: values.only?.split(','),
  });
  if (apps.totals.bytes < leastBytes) apps.differ(`only ${apps.totals.bytes} of ${leastBytes} bytes were moved`);
  say('calm: what is under way comes to its end');
  await apps.stop(120_000);
  // A server that was started anew would have ended connections that nobody here has touched.
  const after = await world.serverFacts();
  if (after.startedAt !== startedAt) apps.differ('the server in the pod was started anew');
  await eventually('connections to the server', 70_000, async () => (await world.serverFacts()).open);
  await eventually('Jobs of agents', 30_000, async () => world.agentJobs());
} catch (error) {
  apps.differ(error.stack);
} finally {
  for (const { child } of apps.slots) child.kill('SIGKILL');
  await world.close();
}

/** Waits until the list is empty. */
async function eventually(what, limitMs, list) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const left = await list();
    if (left.length === 0) return;
    if (Date.now() > deadline) {
      return apps.differ(`${left.length} ${what} are left after ${limitMs / 1000} s: ${JSON.stringify(left)}`);
    }
    await delay(250);
  }
}

const { differences, totals } = apps;
const report = {
  ok: differences.length === 0,
  seed,
  seconds: Math.round((Date.now() - started) / 1000),
  deeds,
  ...totals,
  differences,
};
if (values.json) console.log(JSON.stringify(report));
else {
  say(`done: ${JSON.stringify(deeds)}`);
  say(
    `moved ${Math.round(totals.bytes / 2 ** 20)} MiB in ${totals.transfers} transfers and ${totals.calls} calls, all as expected but:`,
  );
  const { open, asked, endedShort } = totals.lostWithAgent;
  say(
    `lost with ${apps.kills.length} killed agents: ${open} that were open, ${asked} asked for before that was noticed; ${endedShort} of them saw an end instead of a reset`,
  );
  say(`apps killed: ${totals.appsKilled}; differences: ${differences.length}`);
}
process.exit(report.ok ? 0 : 1);
