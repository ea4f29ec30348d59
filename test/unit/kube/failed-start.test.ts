import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { status } from '../../support/scripted-api';
import { WAITING } from '../../support/scripted-cluster';
import { api, cluster, config, failure, JOBS, start } from './starting';

describe('a start that fails says why and leaves no Job', () => {
  const container = (state: object) => ({ phase: 'Pending', containerStatuses: [{ name: 'mirrord-agent', state }] });
  const cases: [string, any, string, RegExp][] = [
    [
      'an image that cannot be pulled',
      container({ waiting: { reason: 'ErrImagePull', message: 'not found: x/agent:9' } }),
      'AGENT_IMAGE_PULL',
      /ErrImagePull.*not found: x\/agent:9/,
    ],
    [
      'an agent that ends at once',
      { phase: 'Failed', containerStatuses: [{ name: 'mirrord-agent', state: { terminated: { exitCode: 1 } } }] },
      'AGENT_FAILED',
      /exit code 1/,
    ],
    [
      'a container that cannot be created',
      container({ waiting: { reason: 'CreateContainerError', message: 'no such user' } }),
      'AGENT_FAILED',
      /CreateContainerError: no such user/,
    ],
    [
      'a full node',
      { phase: 'Failed', reason: 'OutOfpods', message: 'Pod count' },
      'AGENT_REJECTED',
      /OutOfpods: Pod count/,
    ],
    [
      'an image that the kubelet has given up pulling for a while',
      container({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x/agent:9"' } }),
      'AGENT_IMAGE_PULL',
      /ImagePullBackOff.*Back-off pulling/,
    ],
    [
      'an image name that is none',
      container({ waiting: { reason: 'InvalidImageName', message: 'invalid reference format' } }),
      'AGENT_IMAGE_PULL',
      /InvalidImageName.*invalid reference/,
    ],
    [
      'an agent that ends again and again',
      {
        phase: 'Running',
        containerStatuses: [
          {
            name: 'mirrord-agent',
            state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting' } },
            lastState: { terminated: { exitCode: 139, reason: 'Error' } },
          },
        ],
      },
      'AGENT_FAILED',
      /CrashLoopBackOff: back-off 10s restarting, before that it ended: exit code 139/,
    ],
    [
      'an eviction, whatever the exit code of what was evicted',
      {
        phase: 'Failed',
        reason: 'Evicted',
        message: 'The node was low on resource: memory.',
        containerStatuses: [{ name: 'mirrord-agent', state: { terminated: { exitCode: 137, reason: 'Error' } } }],
      },
      'AGENT_FAILED',
      /taken off its node: Evicted: The node was low on resource: memory/,
    ],
    [
      'another pod that is more important',
      {
        phase: 'Running',
        conditions: [
          {
            type: 'DisruptionTarget',
            status: 'True',
            reason: 'PreemptionByScheduler',
            message: 'preempting to accommodate a higher priority pod',
          },
        ],
      },
      'AGENT_FAILED',
      /PreemptionByScheduler: preempting/,
    ],
    [
      'a node that shuts down',
      { phase: 'Failed', reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' },
      'AGENT_REJECTED',
      /NodeShutdown: Pod was rejected/,
    ],
  ];
  it.each(cases)('%s', async (_, last, code, message) => {
    cluster.life = [WAITING, last];
    const error = await failure();
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toBeTruthy();
    expect(cluster.deleted).toEqual(['job-1 Background']);
  });

  it.each([
    [
      'Pod Security',
      'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)',
      /enforce=privileged[\s\S]*ephemeral[\s\S]*targetless/,
    ],
    [
      'a quota',
      'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=10, limited: pods=10',
      /--ephemeral/,
    ],
    [
      'a limit range',
      'pods "x" is forbidden: maximum memory usage per Container is 128Mi, but limit is 512Mi',
      /agent\.resources/,
    ],
    [
      'an admission webhook',
      'admission webhook "validate.kyverno.svc-fail" denied the request: hostPID is not allowed',
      /targetless/,
    ],
    [
      'a service account that is not there',
      'error looking up service account default/agent: not found',
      /agent\.service_account/,
    ],
  ])('a pod that %s refuses, by the events of the Job, and what works instead', async (_, message, hint) => {
    cluster.life = [];
    cluster.events = [{ reason: 'FailedCreate', message: `Error creating: ${message}`, type: 'Warning' }];
    const error = await failure();
    expect(error.code).toBe('AGENT_REJECTED');
    expect(error.message).toContain(message);
    expect(error.hint).toMatch(hint);
    expect(cluster.deleted).toHaveLength(1);
  });

  it.each([
    [true, /OutOfpods[\s\S]*node node1 takes 1 pods and has 1/],
    [false, /OutOfpods: Pod count\.$/],
  ])('a full node, with agent.check_out_of_pods %s', async (checkOutOfPods, words) => {
    cluster.life = [{ phase: 'Failed', reason: 'OutOfpods', message: 'Pod count' }];
    api.on('GET /api/v1/nodes/node1', () => ({ status: { allocatable: { pods: '1' } } }));
    api.on('GET /api/v1/pods', () => ({ items: [{}] }));
    expect((await failure(config({ checkOutOfPods }))).message).toMatch(words);
  });

  it('a Job that somebody deletes before it has a pod', async () => {
    cluster.life = [];
    const failing = failure();
    await expect.poll(() => cluster.job, { interval: 5 }).toBeTruthy();
    cluster.job = undefined;
    const error = await failing;
    expect(error).toMatchObject({ code: 'AGENT_FAILED', message: expect.stringContaining('Job was deleted') });
  });

  it('a Job that fails without a pod', async () => {
    cluster.life = [];
    const failing = failure();
    await expect.poll(() => cluster.job, { interval: 5 }).toBeTruthy();
    const condition = { type: 'Failed', status: 'True', reason: 'DeadlineExceeded', message: 'was active too long' };
    cluster.job.status = { conditions: [condition] };
    const error = await failing;
    expect(error).toMatchObject({ code: 'AGENT_FAILED' });
    expect(error.message).toContain('DeadlineExceeded: was active too long');
    expect(cluster.deleted).toHaveLength(1);
  });

  it('a pod that is refused, at the first look; a Job that has none is looked at more and more seldom', async () => {
    cluster.life = [];
    const looks = () => api.count('GET', /\/events$/);
    const failing = failure(config({ startupTimeout: 4 }));
    await expect.poll(looks, { timeout: 3_000 }).toBe(2);
    // One at 0.5, 1.5 and 3.5 s, and one for the message; each comes with a look at the Job.
    expect((await failing).code).toBe('AGENT_START_TIMEOUT');
    expect(looks()).toBeLessThanOrEqual(4);
    expect(api.count('GET', /jobs\//)).toBeLessThanOrEqual(3 + 1);
    api.requests.length = 0;
    cluster.events = [{ reason: 'FailedCreate', message: 'no', type: 'Warning' }];
    expect((await failure()).code).toBe('AGENT_REJECTED');
    expect(looks()).toBe(2);
  }, 20_000);

  it('a finished Job that a finalizer keeps, and it is not asked about without a pause', async () => {
    cluster.life = [];
    api.on(`POST ${JOBS}`, ({ body }, response) => {
      const { name } = body.metadata;
      const metadata = { name, uid: 'stuck', deletionTimestamp: '2026-01-01T00:00:00Z' };
      api.on(`GET ${JOBS}/${name}`, () => ({ metadata, spec: body.spec }));
      api.on(`DELETE ${JOBS}/${name}`, () => ({}));
      return status(response, 409, 'AlreadyExists', 'exists');
    });
    const error = await failure(config({ startupTimeout: 2 }));
    expect(error).toMatchObject({
      code: 'AGENT_START_TIMEOUT',
      message: expect.stringMatching(/did not go away in time/),
    });
    expect(error.hint).toContain('delete job');
    expect(api.count('POST', /jobs$/)).toBeLessThanOrEqual(8);
  });

  it('a Job that a queue holds back for too long', async () => {
    cluster.life = [];
    const failing = failure(config({ startupTimeout: 2 }));
    await expect.poll(() => cluster.job, { interval: 5 }).toBeTruthy();
    cluster.job.spec.suspend = true;
    const error = await failing;
    expect(error.code).toBe('AGENT_START_TIMEOUT');
    expect(error.message).toMatch(/was waiting for a pod: it has no pod; its Job is suspended/);
  });

  it('a pod that is refused where neither events nor Jobs may be read, at the end of its time', async () => {
    cluster.life = [];
    const denied = (_: unknown, response: ServerResponse) => status(response, 403, 'Forbidden', 'no');
    api.on('GET /api/v1/namespaces/default/events', denied);
    const failing = failure(config({ startupTimeout: 1 }));
    await expect.poll(() => cluster.job, { interval: 5 }).toBeTruthy();
    expect(await failing).toMatchObject({ code: 'AGENT_START_TIMEOUT' });
  });

  it('a pod that no node takes, after a little patience', async () => {
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' };
    cluster.life = [{ phase: 'Pending', conditions: [condition] }];
    const error = await failure();
    expect(error.code).toBe('AGENT_UNSCHEDULABLE');
    expect(error.message).toMatch(/0\/1 nodes/);
  });

  it('a pod that never runs, with its state, events and log', async () => {
    cluster.life = [WAITING];
    cluster.events = [{ reason: 'FailedMount', message: 'no volume', type: 'Warning' }];
    const error = await failure(config({ startupTimeout: 1 }));
    expect(error.code).toBe('AGENT_START_TIMEOUT');
    expect(error.message).toMatch(
      /within 1 s.*waiting for its container to run: its pod ".*" is Pending;.*ContainerCreating[\s\S]*event FailedMount: no volume/,
    );
    expect(cluster.deleted).toHaveLength(1);
  });

  it('a pod that is deleted meanwhile', async () => {
    cluster.life = [WAITING];
    const failing = failure();
    await expect.poll(() => cluster.pod, { interval: 5 }).toBeTruthy();
    cluster.evictPod();
    const error = await failing;
    expect(error.code).toBe('AGENT_FAILED');
    expect(error.message).toMatch(/was deleted while it started/);
    expect(cluster.deleted).toHaveLength(1);
  });

  it('a Job that a quota refuses, by the words of the API', async () => {
    api.on(`POST ${JOBS}`, (_, response) =>
      status(response, 403, 'Forbidden', 'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: 1'),
    );
    const error = await failure();
    expect(error.code).toBe('AGENT_REJECTED');
    expect(error.message).toContain('exceeded quota: jobs');
  });

  it('a server that is overloaded for a moment (429) is asked again as it wants it, and the Job is made once', async () => {
    const create = JSON.parse(JSON.stringify({ made: 0, refused: 0 }));
    api.on(`POST ${JOBS}`, ({ body }, response) => {
      if (create.refused++ === 0) return status(response, 429, 'TooManyRequests', 'wait', { 'retry-after': '1' });
      create.made++;
      cluster.adopt({ ...body, metadata: { ...body.metadata, uid: 'job-1' }, status: {} });
      return cluster.job;
    });
    expect((await start()).created).toBe(true);
    expect(create).toEqual({ made: 1, refused: 2 });
  });

  it('a server that fails (500) is not asked again for a Job, and one that it made all the same is deleted', async () => {
    api.on(`POST ${JOBS}`, ({ body }, response) => {
      cluster.adopt({ ...body, metadata: { ...body.metadata, uid: 'job-half' }, status: {} });
      return status(response, 500, 'InternalError', 'etcdserver: request timed out');
    });
    const error = await failure();
    expect(error).toMatchObject({ code: 'KUBE_API_ERROR', message: expect.stringContaining('etcdserver') });
    expect(api.count('POST', /jobs$/)).toBe(1);
    expect(cluster.deleted).toEqual(['job-half Background']);
  });

  it('half an answer to the creation of a Job: what was made is deleted', async () => {
    api.on(`POST ${JOBS}`, ({ body }, response) => {
      cluster.adopt({ ...body, metadata: { ...body.metadata, uid: 'job-cut' }, status: {} });
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': '5000' }).write('{"kind":"Job",');
      setTimeout(() => response.destroy(), 20);
    });
    expect((await failure()).code).toBe('CLUSTER_UNREACHABLE');
    expect(cluster.deleted).toEqual(['job-cut Background']);
  });

  it('a namespace that is not there', async () => {
    api.on(`POST ${JOBS}`, (_, response) => status(response, 404, 'NotFound', 'namespaces "default" not found'));
    expect((await failure()).code).toBe('NAMESPACE_NOT_FOUND');
  });

  it('an interruption, in the middle of the wait', async () => {
    cluster.life = [WAITING];
    const controller = new AbortController();
    const failing = failure(config(), controller.signal);
    await expect.poll(() => cluster.pod).toBeTruthy();
    controller.abort();
    const error = await failing;
    expect(error.code).toBe('START_ABORTED');
    expect(cluster.deleted).toHaveLength(1);
  });

  it('an interruption while the Job is being created', async () => {
    const controller = new AbortController();
    api.on(`POST ${JOBS}`, async ({ body }) => {
      controller.abort();
      await new Promise((resolve) => setTimeout(resolve, 100));
      cluster.adopt({ ...body, metadata: { ...body.metadata, uid: 'job-late' }, status: {} });
      return cluster.job;
    });
    expect((await failure(config(), controller.signal)).code).toBe('START_ABORTED');
    expect(cluster.deleted).toEqual(['job-late Background']);
  });
});
