// Runs under `mirrord exec`: starts the smallest app plainly, dormant, attached and with a start of its own, in turn.
import { setTimeout as delay } from 'node:timers/promises';
import { runPaired } from './figures.mjs';
import { here, output, preload } from './world.mjs';

const rounds = Number(process.env.BENCH_ROUNDS);
const hello = here('hello.cjs');
const { MIRRORD_DISABLE: _, ...attached } = process.env;
const plain = { ...process.env };
for (const name of Object.keys(plain)) if (name === 'NODE_OPTIONS' || name.startsWith('MIRRORD_')) delete plain[name];

/** Milliseconds from the start of the process to its first line, and to its end as its parent sees it. */
const firstLine = async (args, env) => JSON.parse(await output(process.execPath, args, env)).uptimeMs;

const settings = JSON.parse(process.env.BENCH_SETTINGS);
const started = { ...plain, ...settings };
// A target of its own whose agent ends with its session: each start makes a new one.
const cold = { ...started, MIRRORD_TARGET: 'deployment/bench-cold', MIRRORD_AGENT_IDLE_TIMEOUT: '0' };

const report = await runPaired(rounds, {
  'plain node': () => firstLine([hello], plain),
  'dormant preload': () => firstLine(['-r', preload, hello], { ...plain, MIRRORD_DISABLE: '1' }),
  'attach to a live session': () => firstLine([hello], attached),
  'full start, agent there': () => firstLine(['-r', preload, hello], started),
  'full start, new agent': async () => {
    const time = await firstLine(['-r', preload, hello], cold);
    // The last agent has to be gone, or the next round would join it.
    await delay(2500);
    return time;
  },
});
console.log(JSON.stringify(report));
