import type { KubernetesObject } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { apply, apps, batch, core, createNamespace, eventually, settings } from '../support/cluster';
import { clusterEnv, preload } from '../support/spawn-app';
import { nothingLeft } from './agents';
import { createPlace, type Place, type Running } from './running';
import { fixturePath } from './world';

const LIMIT = 180_000;
let namespace: string;
let drop: () => Promise<void>;
let place: Place;
let running: Running | undefined;

beforeAll(async () => {
  ({ name: namespace, drop } = await createNamespace('kinds'));
  place = createPlace();
});
afterEach(async () => {
  running?.child.kill('SIGTERM');
  await running?.exited;
  await nothingLeft(namespace, 60_000);
});
afterAll(async () => {
  place?.remove();
  await drop?.();
});

/** A pod that marks itself: its name may be that of the one before. */
const MARK = `
  require('fs').writeFileSync('/mark/id', require('crypto').randomUUID());
  setInterval(() => {}, 1e6);
`;

function template(app: string, restartPolicy: 'Always' | 'Never' = 'Always') {
  return {
    metadata: { labels: { app } },
    spec: {
      restartPolicy,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'app',
          image: settings.nodeImage,
          command: ['node', '-e', MARK],
          volumeMounts: [{ name: 'mark', mountPath: '/mark' }],
        },
      ],
      volumes: [{ name: 'mark', emptyDir: {} }],
    },
  };
}

const workload = (apiVersion: string, kind: string, name: string, spec: object) =>
  ({ apiVersion, kind, metadata: { name, namespace }, spec }) as KubernetesObject;
const selecting = (name: string) => ({ selector: { matchLabels: { app: name } }, template: template(name) });
const deployment = (name: string, spec: object) => workload('apps/v1', 'Deployment', name, spec);

async function ready(label: string): Promise<string[]> {
  return eventually(
    `a pod with ${label} to be ready`,
    async () => {
      const { items } = await core.listNamespacedPod({ namespace, labelSelector: label });
      const pods = items.filter(({ status }) => status?.containerStatuses?.[0]?.ready);
      return pods.length > 0 && pods.map(({ metadata }) => metadata!.name!);
    },
    60_000,
  );
}

async function start(target: string): Promise<Running> {
  const env = { ...clusterEnv(target, namespace), MIRRORD_PROGRESS: 'plain' };
  running = place.run(['-r', preload, fixturePath('marks.cjs')], env);
  await running.line('the mark of the first pod', ({ mark }) => mark, 60_000);
  return running;
}

/** The session goes to the pod that comes for the one it was at, and says so. */
async function followed({ lines, line, stderr }: Running): Promise<void> {
  const [first] = lines;
  await line('the mark of the next pod', ({ mark }) => mark && mark !== first.mark, 120_000);
  expect(stderr()).toMatch(/goes away|agent is gone/);
}

const deletePod = (name: string) => core.deleteNamespacedPod({ name, namespace });

it.each([
  ['statefulset', () => workload('apps/v1', 'StatefulSet', 'of-set', { serviceName: 'x', ...selecting('of-set') })],
  ['daemonset', () => workload('apps/v1', 'DaemonSet', 'of-set', selecting('of-set'))],
  ['job', () => workload('batch/v1', 'Job', 'of-set', { template: template('of-set', 'Never') })],
] as const)(
  'a pod of a %s that is replaced is followed',
  async (kind, make) => {
    await apply(make());
    await ready('app=of-set');
    const app = await start(`${kind}/of-set`);
    await deletePod(app.lines[0].pod);
    await followed(app);
    const resource = `${kind}s` as const;
    await remove(resource, 'of-set');
  },
  LIMIT,
);

async function remove(resource: 'statefulsets' | 'daemonsets' | 'jobs', name: string): Promise<void> {
  const options = { name, namespace, propagationPolicy: 'Background' };
  if (resource === 'jobs') await batch.deleteNamespacedJob(options);
  else if (resource === 'daemonsets') await apps.deleteNamespacedDaemonSet(options);
  else await apps.deleteNamespacedStatefulSet(options);
  await eventually('its pods to be gone', async () => {
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'app=of-set' });
    return items.length === 0;
  });
}

it(
  'the next run of a CronJob is followed, when it replaces the one before',
  async () => {
    const jobTemplate = { spec: { template: template('run', 'Never') } };
    // Never due: its runs are made here, as its controller makes them.
    const spec = { schedule: '0 0 1 1 *', suspend: true, concurrencyPolicy: 'Replace', jobTemplate };
    await apply(workload('batch/v1', 'CronJob', 'sweep', spec));
    const { metadata } = await batch.readNamespacedCronJob({ name: 'sweep', namespace });
    const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'sweep', uid: metadata!.uid!, controller: true };
    const run = (name: string) =>
      apply({
        ...workload('batch/v1', 'Job', name, jobTemplate.spec),
        metadata: { name, namespace, ownerReferences: [owner] },
      } as KubernetesObject);
    await run('sweep-29000001');
    await ready('app=run');
    const app = await start('cronjob/sweep');
    await batch.deleteNamespacedJob({ name: 'sweep-29000001', namespace, propagationPolicy: 'Background' });
    await run('sweep-29000002');
    await followed(app);
    expect(app.lines.at(-1).pod).toMatch(/^sweep-29000002-/);
    await batch.deleteNamespacedJob({ name: 'sweep-29000002', namespace, propagationPolicy: 'Background' });
  },
  LIMIT,
);

it(
  'a newer pod that becomes ready beside one that stays does not move the session',
  async () => {
    const track = (name: string) => ({
      selector: { matchLabels: { track: name } },
      template: { ...template('web'), metadata: { labels: { app: 'web', track: name } } },
    });
    await apply(deployment('stable', track('stable')));
    await ready('track=stable');
    const app = await start('label/app=web');
    await apply(deployment('canary', track('canary')));
    const [canary] = await ready('track=canary');
    // The stable one goes after it: so the session has seen the canary, and it is where it goes now, and not before.
    expect(app.lines).toHaveLength(1);
    expect(app.stderr()).not.toMatch(/goes away|agent is gone/);
    await apps.deleteNamespacedDeployment({ name: 'stable', namespace, propagationPolicy: 'Background' });
    await followed(app);
    expect(app.lines.map(({ pod }) => pod)).toEqual([expect.stringMatching(/^stable-/), canary]);
    await apps.deleteNamespacedDeployment({ name: 'canary', namespace, propagationPolicy: 'Background' });
  },
  LIMIT,
);
