import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply, configMap, createNamespace, runInPod, settings, waitForDeployment } from '../support/cluster';
import { clusterEnv, preload } from '../support/spawn-app';
import { nothingLeft } from './agents';
import { createPlace } from './running';
import { fixturePath } from './world';

/** Of the node, which all its pods share; no other test has it. */
const PORT = 18_495;

let namespace: string;
let drop: () => Promise<void>;
let pod: string;
beforeAll(async () => {
  ({ name: namespace, drop } = await createNamespace('node-network'));
  const command = ['node', '/app/answers.cjs', 'pod', String(PORT)];
  const template = {
    metadata: { labels: { app: 'target' } },
    spec: {
      hostNetwork: true,
      terminationGracePeriodSeconds: 1,
      volumes: [{ name: 'code', configMap: { name: 'code' } }],
      containers: [
        { name: 'app', image: settings.nodeImage, command, volumeMounts: [{ name: 'code', mountPath: '/app' }] },
      ],
    },
  };
  await apply(configMap(namespace, 'code', { 'answers.cjs': readFileSync(fixturePath('answers.cjs'), 'utf8') }), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'target', namespace },
    spec: { replicas: 1, selector: { matchLabels: { app: 'target' } }, template },
  } as never);
  pod = (await waitForDeployment(namespace, 'target')).metadata!.name!;
}, 120_000);
afterAll(() => drop?.());

it('incoming traffic of a pod in the node’s own network is refused with why, and everything else works', async () => {
  const place = createPlace();
  const args = ['-r', preload, fixturePath('answers.cjs'), 'developer', String(PORT)];
  const env = { ...clusterEnv('deployment/target', namespace), MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true' };
  const app = place.run(args, { ...env, MIRRORD_PROGRESS: 'off', MIRRORD_AGENT_IDLE_TIMEOUT: '1' });
  try {
    // The app goes on, with its own port.
    await app.line('the app to listen', (line) => line === 'up', 40_000);
    expect(app.stderr()).toContain('INCOMING_UNSUPPORTED');
    expect(app.stderr()).toContain('the pod uses the network of its node');
    expect(await (await fetch(`http://127.0.0.1:${PORT}`)).json()).toMatchObject({ by: 'developer' });
    const ask = `fetch('http://127.0.0.1:${PORT}').then(async (answer) => console.log(await answer.text()))`;
    expect(JSON.parse(await runInPod(namespace, pod, ['node', '-e', ask])).by).toBe('pod');
  } finally {
    app.child.kill('SIGTERM');
    await app.exited;
    place.remove();
  }
  await nothingLeft(namespace, 30_000);
}, 90_000);
