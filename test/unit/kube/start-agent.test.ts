import { describe, expect, it } from 'vitest';
import { retryWhileStarting } from '../../../src/kube/start-agent';
import type { AgentHandle } from '../../../src/kube/types';
import { echo, refuse, status } from '../../support/scripted-api';
import { api, cluster, config, failure, JOBS, progress, start } from './starting';

/** Greets the agent as the link does: what it sends must come back. */
async function greet(handle: AgentHandle): Promise<string> {
  const transport = await handle.dial();
  return new Promise((resolve, reject) => {
    transport.on('error', reject).on('close', () => reject(new Error('closed')));
    transport.once('data', (data) => {
      resolve(data.toString());
      transport.destroy();
    });
    transport.write('hello');
  });
}

describe('a start', () => {
  it('creates the Job, waits for its pod and gives what it takes to dial it', async () => {
    const handle = await start();
    expect(handle.created).toBe(true);
    expect(handle.handoff).toMatchObject({
      namespace: 'default',
      pod: 'agent-pod-job-1',
      token: expect.stringMatching(/^[0-9a-f]{64}$/),
      target: { pod: 'web-1', container: 'app', containerId: 'containerd://0123abcd', nodeName: 'node1' },
    });
    expect(handle.handoff.port).toBeGreaterThanOrEqual(30_000);
    expect(handle.handoff.port).toBeLessThan(65_536);
    expect(await greet(handle)).toBe('hello');
    expect(progress.map(({ type, step }) => `${type} ${step}`)).toEqual([
      'start cluster',
      'done cluster',
      'start target',
      'done target',
      'start agent',
      'done agent',
    ]);
    expect(JSON.stringify(progress)).not.toContain(handle.handoff.token);
  });

  it('asks for exactly the pod that the design allows', async () => {
    const handle = await start(config({ labels: { team: 'a' }, imagePullSecrets: [{ name: 's' }] }));
    const { metadata, spec } = cluster.job;
    expect(metadata.name).toMatch(/^mirrord-agent-[0-9a-f]{16}$/);
    expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/managed-by': 'mirrord-node', team: 'a' });
    expect(spec).toMatchObject({ backoffLimit: 0, ttlSecondsAfterFinished: 1, activeDeadlineSeconds: 86_400 });
    const pod = spec.template.spec;
    expect(pod).toMatchObject({
      hostPID: true,
      nodeName: 'node1',
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      imagePullSecrets: [{ name: 's' }],
    });
    expect(pod.volumes).toBeUndefined();
    const [container] = pod.containers;
    expect(container.command).toBeUndefined();
    expect(container.args).toEqual([
      '--port',
      String(handle.handoff.port),
      'targeted',
      '--container-id',
      '0123abcd',
      '--container-runtime',
      'containerd',
    ]);
    expect(container.args.join()).not.toContain(handle.handoff.token);
    expect(container.env).toContainEqual({ name: 'MIRRORD_AGENT_TOKEN', value: handle.handoff.token });
    expect(container.securityContext.capabilities).toEqual({ add: ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN'] });
    expect(container.resources.limits.memory).toBe('512Mi');
  });

  it('asks for no privilege at all without a target', async () => {
    await start(config({}, 'targetless'));
    const pod = cluster.job.spec.template.spec;
    expect(pod.hostPID).toBeUndefined();
    expect(pod.nodeName).toBeUndefined();
    expect(pod.containers[0].securityContext).toBeUndefined();
    expect(pod.containers[0].args.at(-1)).toBe('targetless');
  });

  it('retries the first connection until the agent listens, however the refusal looks', async () => {
    const plays = [refuse, (socket: any) => refuse(socket, true), (socket: any) => socket.close(1000), echo];
    let tries = 0;
    api.forward = (socket) => plays[Math.min(tries++, 3)]!(socket);
    const handle = await start();
    expect(await retryWhileStarting(handle, () => greet(handle))).toBe('hello');
    expect(tries).toBe(4);
  });

  it('stops retrying when the pod ends, and says how it ended', async () => {
    api.forward = (socket) => refuse(socket);
    cluster.log = 'cannot find the container\n';
    const handle = await start();
    const terminated = { exitCode: 3, reason: 'Error' };
    setTimeout(
      () =>
        cluster.setStatus({ phase: 'Failed', containerStatuses: [{ name: 'mirrord-agent', state: { terminated } }] }),
      60,
    );
    const error = await retryWhileStarting(handle, () => greet(handle)).catch((error) => error);
    expect(error.code).toBe('AGENT_FAILED');
    expect(error.message).toMatch(/exit code 3[\s\S]*log: cannot find the container/);
  });

  it('passes an error on that is no refusal', async () => {
    const handle = await start();
    const wrong = Object.assign(new Error('wrong token'), { code: 'UNAUTHORIZED' });
    await expect(retryWhileStarting(handle, () => Promise.reject(wrong))).rejects.toBe(wrong);
  });

  it('gives up at the start-up time when the agent never serves', async () => {
    api.forward = (socket) => refuse(socket);
    const handle = await start(config({ startupTimeout: 1 }));
    const error = await retryWhileStarting(handle, () => greet(handle)).catch((error) => error);
    expect(error.code).toBe('AGENT_START_TIMEOUT');
    expect(error.message).toMatch(
      /within 1 s.*waiting for an answer from it through a port-forward: its pod ".*" is Running\.[\s\S]*\n {2}last try to connect: .+/,
    );
    expect(error.cause).toMatchObject({ code: expect.stringMatching(/^PORT_FORWARD_/) });
  });

  it('begins the port-forward on a connection that is warm', async () => {
    const handle = await start();
    const before = api.connections;
    await greet(handle);
    expect(api.connections).toBe(before);
  });
});

describe('a Job that is there', () => {
  it('is joined while it runs, with its own token and port', async () => {
    const first = await start();
    const second = await start(config({ image: 'other/agent:2' }));
    expect(second.created).toBe(false);
    expect(progress.at(-1)!.text).toMatch(/joined; it runs .*, not the other\/agent:2/);
    expect(second.handoff.token).toBe(first.handoff.token);
    expect(second.handoff.port).toBe(first.handoff.port);
    await second.abandon();
    expect(cluster.deleted).toEqual([]);
    await first.abandon();
    expect(cluster.deleted).toEqual(['job-1 Background']);
  });

  it('is joined without a look at the Job: its pod says all that is needed', async () => {
    const first = await start();
    const before = api.requests.length;
    const second = await start();
    expect(second.handoff).toEqual(first.handoff);
    expect(api.requests.slice(before).map(({ method, path }) => `${method} ${path}`)).toEqual([
      expect.stringMatching(/^GET .*web-1$/),
      expect.stringMatching(/^GET .*\/pods$/),
    ]);
  });

  it('is replaced when it has finished', async () => {
    const first = await start();
    cluster.job.status = { conditions: [{ type: 'Complete', status: 'True' }] };
    cluster.setStatus({ phase: 'Succeeded', containerStatuses: [] });
    const second = await start();
    expect(second.created).toBe(true);
    expect(second.handoff.token).not.toBe(first.handoff.token);
    expect(cluster.deleted).toEqual(['job-1 Background']);
  });

  it('is replaced when its pod has ended and the Job does not show it yet', async () => {
    await start();
    cluster.setStatus({
      phase: 'Succeeded',
      containerStatuses: [{ name: 'mirrord-agent', state: { terminated: { exitCode: 0 } } }],
    });
    const second = await start();
    expect(second.created).toBe(true);
    expect(second.handoff.pod).toBe('agent-pod-job-2');
  });

  it('is replaced when it cannot come up, such as after a run with a wrong image', async () => {
    await start();
    const waiting = { reason: 'ImagePullBackOff', message: 'not found' };
    cluster.setStatus({ phase: 'Pending', containerStatuses: [{ name: 'mirrord-agent', state: { waiting } }] });
    const second = await start();
    expect(second.created).toBe(true);
    expect(cluster.deleted).toEqual(['job-1 Background']);
  });

  it('counts as our own when only the answer to its creation was lost', async () => {
    let lost = false;
    api.on(`POST ${JOBS}`, ({ body }, response) => {
      if (lost) return status(response, 409, 'AlreadyExists', 'exists');
      lost = true;
      cluster.adopt({ ...body, metadata: { ...body.metadata, uid: 'job-x' }, status: {} });
      return status(response, 503, 'ServiceUnavailable', 'try again', { 'retry-after': '0' });
    });
    const handle = await start();
    expect(handle.created).toBe(true);
  });

  it('that is no agent is a conflict, and is left alone', async () => {
    const { handoff } = await start();
    expect(handoff.token).toBeTruthy();
    cluster.job.spec.template.spec.containers[0].env = [];
    expect((await failure()).code).toBe('AGENT_CONFLICT');
    expect(cluster.deleted).toEqual([]);
  });
});
