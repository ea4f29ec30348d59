import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cluster, until } from './support/cluster';
import { cli, preload, runNode } from './support/run-cli';
import { SlowApi } from './support/slow-api';
import { points } from './support/start-points';

const APP = ['-e', 'console.log("started"); setInterval(() => {}, 1000)'];
const OURS = 'labelSelector=app.kubernetes.io/managed-by=mirrord-node';

let cluster: Cluster;
let folder: string;
let kubeconfig: string;
let api: SlowApi;

beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.runPod('target', 'exec node -e "setInterval(()=>{},1000)"');
  await cluster.waitReady('target');
}, 90_000);
afterAll(() => cluster?.stop());

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-interrupt-'));
  kubeconfig = join(folder, 'kubeconfig');
  api = new SlowApi(cluster.playground.kubeconfig);
  writeFileSync(kubeconfig, await api.start());
});
afterEach(() => {
  api.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function ours(resource: string, group: string): Promise<any[]> {
  return (await cluster.call('GET', `/${group}/namespaces/default/${resource}?${OURS}`)).json.items;
}

const starts: [string, string[]][] = [
  ['mirrord exec', [cli, 'exec', '--', process.execPath, ...APP]],
  ['the preload', ['-r', preload, ...APP]],
];

const cuts = (['SIGINT', 'SIGKILL'] as const).flatMap((signal) =>
  starts.map(([name, args]) => [signal, name, args] as const),
);

describe.each(cuts)('%s in a start by %s leaves nothing', (signal, _, args) => {
  it.each(points)(
    'while %s',
    async (_, point) => {
      const slow = api;
      slow.hold = point;
      const app = runNode(args, kubeconfig, { MIRRORD_TARGET: 'pod/target' });
      try {
        const isThere = () => slow.held.length > 0 || app.child.exitCode !== null || undefined;
        await until(isThere, 'the start to come this far', 30_000);
        expect(slow.held.length, app.stderr()).toBeGreaterThan(0);
        app.child.kill(signal);
        // The cluster may still get to hear of what was under way, after the process has gone or while it cleans up.
        await new Promise((resolve) => setTimeout(resolve, 300));
        slow.hold = undefined;
        for (const { release } of slow.held.splice(0)) release();
        expect((await app.ended).stdout).toBe('');
        // Else the Job might come only after it was looked for.
        await until(() => slow.creating === 0 || undefined, 'the server to have answered', 10_000);
      } finally {
        app.child.kill('SIGKILL');
      }
      // Before the half minute is over after which an agent that nobody came for ends by itself.
      await until(
        async () =>
          (await ours('jobs', 'apis/batch/v1')).length + (await ours('pods', 'api/v1')).length === 0 || undefined,
        'Job and pod to be gone',
        20_000,
      );
    },
    60_000,
  );
});
