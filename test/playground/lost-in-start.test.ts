import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiProxy } from '../support/api-proxy';
import { Cluster, until } from './support/cluster';
import { preload, type Running, runNode } from './support/run-cli';
import { SlowApi } from './support/slow-api';
import { points } from './support/start-points';

/** `agent.startup_timeout`; a start takes at most half a minute more, and giving up a few seconds. */
const STARTUP_SECONDS = 8;
const LIMIT_MS = (STARTUP_SECONDS + 30 + 10) * 1_000;

let cluster: Cluster;
let folder: string;

beforeAll(async () => {
  cluster = await Cluster.start();
  folder = mkdtempSync(join(tmpdir(), 'mirrord-lost-'));
}, 90_000);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Start {
  app: Running;
  proxy: ApiProxy;
  pod: string;
}

let count = 0;

/** Starts an app, whose way to the API server leads through a process, and lets `act` happen when the start has come so far. */
async function startAndLose(
  point: (typeof points)[number][1],
  act: (proxy: ApiProxy) => unknown,
  check: (start: Start) => Promise<void>,
): Promise<void> {
  const pod = `target-${count++}`;
  await cluster.runPod(pod, 'exec node -e "setInterval(()=>{},1000)"');
  await cluster.waitReady(pod, 30_000);
  const api = new SlowApi(cluster.playground.kubeconfig);
  const file = join(folder, `${pod}.json`);
  writeFileSync(file, await api.start());
  const proxy = await ApiProxy.start(file);
  const { at, matches } = point;
  api.hold = { at, matches: (method, url) => matches(method, url.replace(pod, 'target')) };
  const app = runNode(['-r', preload, '-e', 'console.log("started")'], proxy.kubeconfig, {
    MIRRORD_TARGET: `pod/${pod}`,
    MIRRORD_AGENT_STARTUP_TIMEOUT: String(STARTUP_SECONDS),
    MIRRORD_AGENT_COMMUNICATION_TIMEOUT: '5',
    MIRRORD_AGENT_TTL: '0',
  });
  try {
    const isThere = () => api.held.length > 0 || app.child.exitCode !== null || undefined;
    await until(isThere, 'the start to come this far', 30_000);
    expect(api.held.length, app.stderr()).toBeGreaterThan(0);
    await act(proxy);
    api.hold = undefined;
    for (const { release } of api.held.splice(0)) release();
    await check({ app, proxy, pod });
  } finally {
    app.child.kill('SIGKILL');
    proxy.stop();
    api.stop();
  }
  // What the app could not take back, the agent itself ends, as nobody has come for it.
  await until(async () => ((await agentsOf(pod)) === 0 ? true : undefined), 'Job and pod to be gone', 60_000);
}

/** Jobs and pods of the agent that this start has made. */
async function agentsOf(pod: string): Promise<number> {
  const { uid } = (await cluster.pod(pod)).metadata;
  const isOf = (object: any) => JSON.stringify(object).includes(uid) || JSON.stringify(object).includes(`"${pod}"`);
  const ours = 'labelSelector=app.kubernetes.io/managed-by=mirrord-node';
  const [jobs, pods] = await Promise.all(
    ['apis/batch/v1/namespaces/default/jobs', 'api/v1/namespaces/default/pods'].map(
      async (path) => (await cluster.call('GET', `/${path}?${ours}`)).json.items,
    ),
  );
  return [...jobs, ...pods].filter(isOf).length;
}

/** One message with a stable code, before the app's first line. */
async function endsWithMessage({ app }: Start): Promise<void> {
  const ended = await until(() => (app.child.exitCode === null ? undefined : app.ended), 'the app to end', LIMIT_MS);
  expect(ended.stdout).toBe('');
  expect(ended.code).toBe(1);
  expect(ended.stderr.match(/^mirrord: [A-Z_]+: /gm), ended.stderr).toHaveLength(1);
  expect(ended.stderr).toMatch(
    /^mirrord: (CLUSTER_UNREACHABLE|AGENT_START_TIMEOUT|START_TIMEOUT|PORT_FORWARD_\w+|LINK_\w+): /m,
  );
  expect(ended.stderr).not.toMatch(/\n {4}at /);
}

const fates: [string, (proxy: ApiProxy) => unknown, (start: Start) => Promise<void>][] = [
  ['the API server goes and stays away', (proxy) => proxy.close(), endsWithMessage],
  ['the API server stops answering', (proxy) => proxy.pause(), endsWithMessage],
  [
    'the API server does not answer for a while',
    async (proxy) => {
      proxy.pause();
      setTimeout(() => proxy.resume(), 3_000);
    },
    async ({ app }) => {
      const { stdout, stderr, code } = await app.ended;
      expect({ stdout, code }, stderr).toEqual({ stdout: 'started\n', code: 0 });
    },
  ],
  [
    'all its connections are cut once',
    (proxy) => proxy.cut(),
    async ({ app }) => {
      const { stdout, stderr, code } = await app.ended;
      // What cannot be repeated without doing it twice may end the start, with a message.
      if (code === 0) expect(stdout).toBe('started\n');
      else expect({ stdout, stderr }).toEqual({ stdout: '', stderr: expect.stringMatching(/^mirrord: [A-Z_]+: /m) });
    },
  ],
];

describe.each(fates)('a start during which %s', (_, act, check) => {
  it.concurrent.each(points)('while %s', { timeout: 240_000 }, async (_, point) => startAndLose(point, act, check));
});
