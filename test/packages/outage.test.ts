import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../e2e/world';
import { ApiProxy } from '../support/api-proxy';
import { eventually, settings } from '../support/cluster';
import { deployPostgres, deployRedis } from '../support/databases';
import { preload, root } from '../support/spawn-app';

const app = new URL('./fixtures/connects-in-outage.cjs', import.meta.url).pathname;
let world: World;
let proxy: ApiProxy;

beforeAll(async () => {
  world = await createWorld('clients-outage');
  proxy = await ApiProxy.start(settings.kubeconfig);
  if (settings.serversImage) await Promise.all([deployRedis(world.namespace), deployPostgres(world.namespace)]);
}, 180_000);
afterAll(async () => {
  proxy?.stop();
  await world?.drop();
});

function startApp() {
  const env: NodeJS.ProcessEnv = { ...process.env, ...world.env, KUBECONFIG: proxy.kubeconfig };
  for (const name of Object.keys(env)) if (env[name] === undefined || name.startsWith('VITEST')) delete env[name];
  const child = spawn(process.execPath, ['-r', preload, app], { env, cwd: root, stdio: 'pipe' });
  const lines: any[] = [];
  let rest = '';
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdout.on('data', (chunk) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    lines.push(...parts.map((part) => JSON.parse(part)));
  });
  return {
    child,
    lines,
    ask: (round: { limitMs: number; only?: string[] }) => child.stdin.write(`${JSON.stringify(round)}\n`),
    async outcomes(limitMs: number, count: number): Promise<Record<string, unknown>> {
      const answered = () => lines.filter((line) => line.limitMs === limitMs);
      await eventually(`${count} answers`, async () => answered().length >= count, 60_000).catch((error) => {
        throw new Error(`${error.message}: ${JSON.stringify(lines)}\n${stderr}`);
      });
      return Object.fromEntries(answered().map(({ name, answer, code }) => [name, answer ?? code]));
    },
  };
}

const FINE = { pg: 42, ioredis: 'PONG', undici: 200, http: 200, net: 'echo', readFile: 1, lookup: 4 };
/** What each client says of a connect that takes longer than it allows, in a world without us too. */
const TOO_LATE = {
  pg: 'timeout expired',
  ioredis: 'ETIMEDOUT',
  undici: 'UND_ERR_CONNECT_TIMEOUT',
  http: 'event timeout',
  net: 'event timeout',
  readFile: 'ABORT_ERR',
};
const COUNT = Object.keys(FINE).length;

describe.skipIf(!settings.serversImage)('clients that connect while the link is lost', () => {
  it('are connected when it is back, and time out by themselves when it is not', { timeout: 240_000 }, async () => {
    const { child, lines, ask, outcomes } = startApp();
    try {
      await eventually('the app to start', async () => lines.length > 0, 60_000);
      ask({ limitMs: 60_000 });
      expect(await outcomes(60_000, COUNT)).toEqual(FINE);

      await proxy.close();
      ask({ limitMs: 50_000 });
      // The patient ones wait; those whose own limit is short fail as if the network had said nothing.
      ask({ limitMs: 1_000, only: Object.keys(TOO_LATE) });
      expect(await outcomes(1_000, COUNT - 1)).toEqual(TOO_LATE);
      expect(lines.filter(({ limitMs }) => limitMs === 50_000)).toEqual([]);
      proxy.set({});
      expect(await outcomes(50_000, COUNT)).toEqual(FINE);
      // Nothing of those that gave up is left to disturb the next ones.
      ask({ limitMs: 40_000 });
      expect(await outcomes(40_000, COUNT)).toEqual(FINE);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
