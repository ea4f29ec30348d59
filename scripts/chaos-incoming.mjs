// npm run chaos -- --scenario incoming [--seed N] [--kills K] [--within MS] [--without holder,…] [--json]
//
// The app steals a port of a pod under load, from other pods and from the pod's own loopback, while processes of the agent are
// killed by a seed: its worker, its supervisor, both, who holds the rules, who keeps redirected connections. Ends with 1 when
// the pod's application did not answer within a second of a kill, when a request was lost that was not under way, when one hung,
// or when a rule, a Job or a process is left behind.
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createRandom } from './chaos/random.mjs';
import { Judge } from './chaos-incoming/judge.mjs';
import { openWorld } from './chaos-incoming/world.mjs';

const WEIGHTS = { worker: 30, supervisor: 25, both: 20, holder: 20, keeper: 5 };
const RECOVERY_LIMIT_MS = 60_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    kills: { type: 'string', default: '200' },
    within: { type: 'string', default: '1000' },
    without: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const kills = Number(values.kills);
const started = Date.now();
const say = (text) => {
  if (!values.json) console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);
};
const differences = [];
const differ = (text) => {
  differences.push(text);
  say(`DIFFERENCE ${text}`);
};

async function until(what, limitMs, test) {
  const deadline = Date.now() + limitMs;
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`waited ${limitMs / 1000} s for ${what}`);
    await delay(20);
  }
}

say(`seed ${seed}, load average ${loadavg()[0].toFixed(1)}`);
const random = createRandom(seed);
const judge = new Judge({ withinMs: Number(values.within), differ });
const world = await openWorld({ onRequests: (from, requests) => judge.take(from, requests) });
const done = [];
let app;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    app?.child.kill('SIGKILL');
    await world.close();
    process.exit(1);
  });
}

async function killOne(number) {
  const left = values.without.split(',');
  const victim = random.pick(Object.fromEntries(Object.entries(WEIGHTS).filter(([name]) => !left.includes(name))));
  await delay(random.between(0, 400));
  const kill = { victim, ...(await world.operator({ kill: victim })) };
  if (kill.failed || kill.missing) throw new Error(`${victim} was not killed: ${JSON.stringify(kill)}`);
  if (kill.left) differ(`${victim}: rules are left: ${kill.left}`);
  if (victim === 'holder') app.child.send('again');
  await until('the developer to have the port again', RECOVERY_LIMIT_MS, () => {
    if (app.child.exitCode !== null) throw new Error(`the app ended: ${app.stderr()}`);
    return judge.answeredSince(Math.max(kill.killedAt, kill.cleanAt ?? 0), 'developer');
  });
  judge.settle(kill);
  done.push(kill);
  const { killedAt, goneAt, cleanAt, podAfterMs } = kill;
  const times = goneAt
    ? `redirects gone after ${goneAt - killedAt} ms, all after ${cleanAt - killedAt} ms, the pod answered after ${podAfterMs} ms, `
    : '';
  say(`${number}/${kills} ${victim}: ${times}the developer again after ${Date.now() - killedAt} ms`);
}

try {
  app = await world.startApp();
  await until('the developer to be asked', 30_000, () => judge.answeredSince(started, 'developer'));
  judge.requests = [];
  for (let number = 1; number <= kills; number++) await killOne(number);
  app.child.send('end');
  const how = await Promise.race([app.ended, delay(10_000, 'not at all')]);
  if (how !== 0) differ(`the app ended ${how}: ${app.stderr()}`);
  const ended = Date.now();
  await until('the pod to be asked', 10_000, () => judge.answeredSince(ended, 'pod'));
  await until('the Jobs of agents to be gone', 30_000, async () => (await world.agentJobs()).length === 0);
  const { rules } = await world.operator({});
  if (rules !== '') differ(`rules are left: ${rules}`);
} catch (error) {
  differ(error.stack);
} finally {
  app?.child.kill('SIGKILL');
  await world.close();
}

/** @param {number[]} times */
function spread(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50: sorted[sorted.length >> 1], p99: sorted[Math.floor(sorted.length * 0.99)], max: sorted.at(-1) };
}
const ofRules = done.filter(({ goneAt }) => goneAt !== undefined);
const report = {
  ok: differences.length === 0,
  seed,
  seconds: Math.round((Date.now() - started) / 1000),
  loadAverage: loadavg()[0],
  kills: Object.fromEntries(
    Object.keys(WEIGHTS).map((name) => [name, done.filter(({ victim }) => victim === name).length]),
  ),
  redirectsGoneMs: spread(ofRules.map(({ killedAt, goneAt }) => goneAt - killedAt)),
  podAnswersMs: spread(ofRules.map(({ podAfterMs }) => podAfterMs)),
  ...judge.totals,
  differences,
};
if (values.json) console.log(JSON.stringify(report));
else say(`done: ${JSON.stringify(report, undefined, 1)}`);
process.exit(report.ok ? 0 : 1);
