// The weather: one thing after the other until the time is over, by the seed.
import { setTimeout as delay } from 'node:timers/promises';

const WEIGHTS = {
  cut: 55,
  cutLater: 30,
  delay: 4,
  throttle: 4,
  refuse: 4,
  hole: 1.5,
  stop: 1,
  killApp: 0.7,
  killWorker: 0.2,
  killSupervisor: 0.2,
};
/** What a run of any length does at least once, at moments spread over it; which one when is the seed's choice. */
const AT_LEAST_ONCE = ['killWorker', 'killSupervisor', 'killApp', 'hole', 'stop'];
/** An outage stays below the limit of a call, 30 s, with the time it takes to be noticed. */
const LONG_HOLE_MS = 17_000;
const RECOVERY_LIMIT_MS = 60_000;

/**
 * Answers how often each thing was done.
 *
 * @param {{durationMs: number, until: () => number}} options `until` may be later than the duration when too little was moved
 */
export async function storm({
  world,
  apps,
  random,
  durationMs,
  until,
  say,
  without = [],
  only = Object.keys(WEIGHTS),
}) {
  const begun = Date.now();
  const isWanted = (name) => only.includes(name) && !without.includes(name);
  const weights = Object.fromEntries(Object.entries(WEIGHTS).filter(([name]) => isWanted(name)));
  const counts = Object.fromEntries(Object.keys(WEIGHTS).map((name) => [name, 0]));
  const dues = spread(random.shuffle(AT_LEAST_ONCE.filter(isWanted)), begun, durationMs);
  // A short run has no time for a long outage.
  const longOutage = () => durationMs >= 120_000 && random.next() < 0.2;
  const outage = () => (longOutage() ? LONG_HOLE_MS : random.between(300, 4000));
  const { proxy } = world;
  let cuts = 0;
  proxy.on('message', ({ cut }) => (cuts += cut));
  const send = (message) => proxy.send(message);
  const weatherFor = async (weather, ms) => {
    send({ weather });
    await delay(ms);
    send({ weather: {} });
  };

  // Outages that follow each other are one for a call that waits through all of them, and longer than it may wait.
  const untroubled = (ms) => ms === LONG_HOLE_MS && apps.recovered({ to: Date.now() }, RECOVERY_LIMIT_MS);

  const killAgent = async (which) => {
    // Taken before: what fails while the command is on its way has failed because of it.
    const kill = apps.noteKill();
    const pid = await world.killAgent(which);
    if (pid === undefined) {
      say(`no ${which} of an agent was found to kill`);
      counts[which === 'worker' ? 'killWorker' : 'killSupervisor'] -= 1;
      return kill.takeBack();
    }
    kill.done();
    say(`the agent's ${which} is killed (process ${pid})`);
    const started = Date.now();
    await apps.recovered(kill, RECOVERY_LIMIT_MS);
    say(`all apps have an agent again after ${Date.now() - started} ms`);
  };

  const deeds = {
    cut: () => send({ cutAfter: 0 }),
    // In the middle of a frame, a record or a message, wherever that many bytes end.
    cutLater: () => send({ cutAfter: random.integer(1, 300_000) }),
    delay: () => weatherFor({ delayMs: random.between(2, 120) }, random.between(200, 1500)),
    throttle: () => weatherFor({ bytesPerSecond: random.between(2e5, 8e6) }, random.between(300, 2000)),
    refuse: () => {
      send({ cutAfter: 0 });
      return weatherFor({ refuse: true }, random.between(50, 1500));
    },
    hole: async () => {
      const ms = outage();
      await untroubled(ms);
      say(`nothing passes for ${Math.round(ms)} ms`);
      await weatherFor({ hole: true }, ms);
      await untroubled(ms);
    },
    stop: async () => {
      const ms = outage();
      await untroubled(ms);
      say(`the proxy is stopped for ${Math.round(ms)} ms`);
      proxy.kill('SIGSTOP');
      await delay(ms);
      proxy.kill('SIGCONT');
      await untroubled(ms);
    },
    killApp: async () => {
      const { index, again } = await apps.kill();
      say(`app ${index} is killed`);
      await again();
    },
    killWorker: () => killAgent('worker'),
    killSupervisor: () => killAgent('supervisor'),
  };

  let lastReport = Date.now();
  while (Date.now() < until()) {
    await delay(random.between(40, 260));
    const deed = dues[0]?.at <= Date.now() ? dues.shift().name : random.pick(weights);
    counts[deed] += 1;
    await deeds[deed]();
    if (Date.now() - lastReport > 10_000) {
      lastReport = Date.now();
      say(
        `${cuts} connections cut, ${apps.totals.transfers} transfers, ${Math.round(apps.totals.bytes / 1e6)} MB, ${apps.totals.calls} calls`,
      );
    }
  }
  send({ weather: {} });
  return { ...counts, connectionsCut: cuts };
}

/** In the middle of equal parts of the time, so that none is at its very end. */
function spread(names, begun, durationMs) {
  return names.map((name, index) => ({ name, at: begun + (durationMs * (index + 0.5)) / names.length }));
}
