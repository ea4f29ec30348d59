import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, until } from './support/cluster';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterAll(() => cluster?.stop());

const pods = '/api/v1/namespaces/default/pods';

describe('the life of a pod in the playground', () => {
  it('is not taken for what is left of another one that ends while it starts', async () => {
    for (let round = 0; round < 6; round++) {
      const names = [0, 1, 2, 3].map((index) => `short-${round}-${index}`);
      expect(await Promise.all(names.map((name) => cluster.runScript(name, `echo ${name}`)))).toEqual(
        names.map((name) => `${name}\n`),
      );
    }
  }, 60_000);

  it('ends as Succeeded or Failed with exit code, reason and message when it is not restarted', async () => {
    await cluster.runPod('good', 'echo done', { spec: { restartPolicy: 'Never' } });
    await cluster.runPod('bad', 'echo why > /dev/termination-log; exit 3', { spec: { restartPolicy: 'Never' } });
    await cluster.runPod('killed', 'kill -9 $$$$', { spec: { restartPolicy: 'Never', shareProcessNamespace: true } });
    expect((await cluster.waitEnded('good')).status).toMatchObject({
      phase: 'Succeeded',
      containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
    });
    expect((await cluster.waitEnded('bad')).status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 3, reason: 'Error', message: 'why\n' } } }],
    });
    expect((await cluster.waitEnded('killed')).status.containerStatuses[0].state.terminated.exitCode).toBe(137);
  });

  it('is restarted at once after a crash, then with CrashLoopBackOff, and keeps the previous log', async () => {
    await cluster.runPod('crash', 'echo run; exit 1');
    const pod = await until(async () => {
      const one = await cluster.pod('crash');
      return one.status.containerStatuses?.[0].state.waiting?.reason === 'CrashLoopBackOff' ? one : undefined;
    }, 'CrashLoopBackOff');
    const [status] = pod.status.containerStatuses;
    expect(status.restartCount).toBe(1);
    expect(status.lastState.terminated).toMatchObject({ exitCode: 1, reason: 'Error' });
    expect(status.state.waiting.message).toBe(
      `back-off 10s restarting failed container=c pod=crash_default(${pod.metadata.uid})`,
    );
    expect(pod.status.phase).toBe('Running');
    expect(await cluster.logs('crash', '&previous=true')).toBe('run\n');
    expect((await cluster.events('crash')).some((one) => one.reason === 'BackOff')).toBe(true);
  });

  it('reports a command that does not exist as a runtime does', async () => {
    await cluster.runPod('badcmd', '', { container: { command: ['/nonexistent'] }, spec: { restartPolicy: 'Never' } });
    const pod = await cluster.waitEnded('badcmd');
    expect(pod.status.containerStatuses[0].state.terminated).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      message: expect.stringContaining('exec: "/nonexistent": stat /nonexistent: no such file or directory'),
    });
  });

  it('waits with ErrImagePull, then ImagePullBackOff, for an image that is not the playground’s', async () => {
    await cluster.runPod('noimage', '', { container: { image: 'registry.example/team/app:7' } });
    const reasonOf = async () => (await cluster.pod('noimage')).status.containerStatuses?.[0].state.waiting;
    const first = await until(
      async () => ((await reasonOf())?.reason === 'ErrImagePull' ? reasonOf() : undefined),
      'ErrImagePull',
    );
    expect(first.message).toContain('failed to pull and unpack image "registry.example/team/app:7"');
    await until(async () => ((await reasonOf())?.reason === 'ImagePullBackOff' ? true : undefined), 'ImagePullBackOff');
    expect((await cluster.pod('noimage')).status.phase).toBe('Pending');
    const { status, json } = await cluster.call('GET', `${pods}/noimage/log`);
    expect(status).toBe(400);
    expect(json.message).toBe('container "c" in pod "noimage" is waiting to start: trying and failing to pull image');
  });

  it('stays Pending with the scheduler’s words when no node fits', async () => {
    await cluster.runPod('unfit', 'true', { spec: { nodeSelector: { disk: 'ssd' } } });
    const condition = await until(
      async () => (await cluster.pod('unfit')).status.conditions?.find((one: any) => one.type === 'PodScheduled'),
      'the PodScheduled condition',
    );
    expect(condition).toMatchObject({ status: 'False', reason: 'Unschedulable' });
    expect(condition.message).toContain("1 node(s) didn't match Pod's node affinity/selector");
  });

  it('runs init containers in order before the others, and keeps a sidecar running beside them', async () => {
    const mount = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    const step = (name: string, script: string, more = {}) => ({
      name,
      image: 'playground/node:1',
      command: ['bash', '-c', script],
      ...mount,
      ...more,
    });
    await cluster.runPod('ordered', 'cat /v/log; sleep 1000', {
      container: mount,
      spec: {
        volumes: [{ name: 'v', emptyDir: {} }],
        initContainers: [
          step('one', 'sleep 0.2; echo one >> /v/log'),
          step('side', 'echo side >> /v/log; sleep 1000', { restartPolicy: 'Always' }),
          step('two', 'sleep 0.1; echo two >> /v/log'),
        ],
      },
    });
    const pod = await cluster.waitReady('ordered');
    await until(
      async () => ((await cluster.logs('ordered')) === 'one\nside\ntwo\n' ? true : undefined),
      'the order in the log',
    );
    expect(pod.status.initContainerStatuses.map((one: any) => Object.keys(one.state)[0])).toEqual([
      'terminated',
      'running',
      'terminated',
    ]);
  });

  it('becomes ready when its probe passes, unready when it fails, and is restarted by its liveness probe', async () => {
    const exec = (file: string) => ({ exec: { command: ['cat', file] }, periodSeconds: 1, failureThreshold: 1 });
    await cluster.runPod('probed', 'touch /tmp/alive; sleep 1000', {
      container: {
        readinessProbe: exec('/tmp/ready'),
        livenessProbe: { ...exec('/tmp/alive'), initialDelaySeconds: 1 },
      },
    });
    await until(async () => ((await cluster.pod('probed')).status.phase === 'Running' ? true : undefined), 'Running');
    expect((await cluster.pod('probed')).status.containerStatuses[0].ready).toBe(false);
    await cluster.exec('probed', ['touch', '/tmp/ready']);
    await cluster.waitReady('probed');
    await cluster.exec('probed', ['rm', '/tmp/ready']);
    await until(
      async () => ((await cluster.pod('probed')).status.containerStatuses[0].ready ? undefined : true),
      'unready',
    );
    await cluster.exec('probed', ['rm', '/tmp/alive']);
    await until(
      async () => ((await cluster.pod('probed')).status.containerStatuses[0].restartCount === 1 ? true : undefined),
      'the restart',
    );
    expect(
      (await cluster.events('probed')).some(
        (one) => one.message === 'Container c failed liveness probe, will be restarted',
      ),
    ).toBe(true);
  });

  it('gets SIGTERM and its grace time when it is deleted, and is gone after', async () => {
    await cluster.runPod('graceful', 'trap "echo bye; sleep 0.3; exit 0" TERM; while :; do sleep 0.05; done', {
      spec: { terminationGracePeriodSeconds: 5 },
    });
    await cluster.waitReady('graceful');
    const began = Date.now();
    const { json } = await cluster.call('DELETE', `${pods}/graceful`);
    expect(json.metadata.deletionTimestamp).toBeDefined();
    await until(async () => ((await cluster.logs('graceful')).includes('bye') ? true : undefined), 'its last word');
    await until(async () => ((await cluster.pod('graceful')) ? undefined : true), 'its end');
    expect(Date.now() - began).toBeLessThan(4_000);
  });

  it('is killed when it ignores SIGTERM, not before its grace time', async () => {
    await cluster.runPod('stubborn', 'trap "" TERM; while :; do sleep 0.1; done', {
      spec: { terminationGracePeriodSeconds: 2 },
    });
    await cluster.waitReady('stubborn');
    const began = Date.now();
    await cluster.call('DELETE', `${pods}/stubborn`);
    await until(async () => ((await cluster.pod('stubborn')) ? undefined : true), 'its end');
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_900);
    expect(Date.now() - began).toBeLessThan(6_000);
  });

  it('accepts an ephemeral container that shares the processes and the network of its target', async () => {
    await cluster.runPod('debugged', 'exec sleep 4242');
    await cluster.waitReady('debugged');
    const ephemeral = {
      name: 'dbg',
      image: 'playground/node:1',
      targetContainerName: 'c',
      command: ['bash', '-c', 'tr "\\0" " " < /proc/1/cmdline; hostname; sleep 1000'],
    };
    const pod = await cluster.pod('debugged');
    const { status } = await cluster.call('PATCH', `${pods}/debugged/ephemeralcontainers`, {
      spec: { ephemeralContainers: [...(pod.spec.ephemeralContainers ?? []), ephemeral] },
    });
    expect(status).toBe(200);
    await until(
      async () =>
        (await cluster.pod('debugged')).status.ephemeralContainerStatuses?.[0].state.running ? true : undefined,
      'the ephemeral container',
    );
    const text = await until(async () => {
      const { text: log } = await cluster.call('GET', `${pods}/debugged/log?container=dbg`);
      return log.includes('debugged') ? log : undefined;
    }, 'its log');
    expect(text).toBe('sleep 4242 debugged\n');
  });

  it('reports the exit code and errors of exec', async () => {
    await cluster.runPod('execed', 'sleep 1000');
    await cluster.waitReady('execed');
    const { status } = await cluster.exec('execed', ['sh', '-c', 'exit 7']);
    expect(status.details.causes).toEqual([{ reason: 'ExitCode', message: '7' }]);
    const missing = await cluster.exec('execed', ['nowhere']);
    expect(missing.status.message).toContain('exec: "nowhere": executable file not found in $PATH');
  });

  it('leaves no process of a hostPID container behind', async () => {
    await cluster.runPod('watcher', 'sleep 1000', { spec: { hostPID: true } });
    await cluster.runPod('parent', 'sleep 98765 & sleep 98765 & wait', { spec: { hostPID: true } });
    await cluster.waitReady('watcher');
    await cluster.waitReady('parent');
    const count = async () =>
      Number((await cluster.exec('watcher', ['bash', '-c', 'pgrep -fc "^sleep 98765" || true'])).stdout);
    await until(async () => ((await count()) === 2 ? true : undefined), 'the two children');
    await cluster.call('DELETE', `${pods}/parent`);
    await until(async () => ((await cluster.pod('parent')) ? undefined : true), 'its end');
    expect(await count()).toBe(0);
  });
});
