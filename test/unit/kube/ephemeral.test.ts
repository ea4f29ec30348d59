import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load-config';
import type { MirrordError } from '../../../src/errors';
import { startAgent } from '../../../src/kube/start-agent';
import type { AgentHandle } from '../../../src/kube/types';
import { ScriptedApi, startWatch, status } from '../../support/scripted-api';
import { targetPod } from '../../support/scripted-cluster';

const PODS = '/api/v1/namespaces/default/pods';
const PATCH = `PATCH ${PODS}/web-1/ephemeralcontainers`;
let api: ScriptedApi;
let pod: any;
let state: any;
let tell: (type: string, object: unknown) => void;
const handles: AgentHandle[] = [];

beforeEach(async () => {
  api = await ScriptedApi.start();
  pod = targetPod();
  state = { running: {} };
  tell = () => {};
  api.on(`GET ${PODS}/web-1`, () => pod);
  api.on(`GET ${PODS}`, ({ query }, response) => {
    if (!query.get('watch')) return { items: [pod] };
    tell = startWatch(response);
    tell('ADDED', pod);
    return undefined;
  });
  api.on(PATCH, ({ body }) => add(body.spec.ephemeralContainers[0]));
});
afterEach(async () => {
  for (const { startup } of handles.splice(0)) startup.finish();
  await api.stop();
});

function add(container: any): any {
  const { spec, status: before } = pod;
  pod = {
    ...pod,
    spec: { ...spec, ephemeralContainers: [...(spec.ephemeralContainers ?? []), container] },
    status: { ...before, ephemeralContainerStatuses: [{ name: container.name, state }] },
  };
  setTimeout(() => tell('MODIFIED', pod), 10);
  return pod;
}

async function start(agent: object = {}): Promise<AgentHandle> {
  const { config } = loadConfig(
    { target: 'pod/web-1', kubeconfig: api.kubeconfig, agent: { ephemeral: true, ...agent } },
    {},
    '/',
  );
  const handle = await startAgent(config, () => {});
  handles.push(handle);
  return handle;
}
const failure = (agent: object = {}): Promise<MirrordError> =>
  start(agent).then(
    () => Promise.reject(new Error('it started')),
    (error) => error,
  );

describe('an ephemeral agent', () => {
  it('asks for less than a Job, for the container of the target, at a port of its own', async () => {
    const { handoff, created } = await start();
    expect(created).toBe(true);
    expect(handoff).toMatchObject({ namespace: 'default', pod: 'web-1' });
    const [{ headers, body }] = api.requests.filter(({ method }) => method === 'PATCH') as [any];
    expect(headers['content-type']).toBe('application/strategic-merge-patch+json');
    expect(body.metadata.resourceVersion).toBe('1');
    const [container] = body.spec.ephemeralContainers;
    expect(container).toMatchObject({
      targetContainerName: 'app',
      args: [
        '--port',
        String(handoff.port),
        'targeted',
        '--container-id',
        '0123abcd',
        '--container-runtime',
        'containerd',
        '--ephemeral',
      ],
      securityContext: { capabilities: { add: ['SYS_PTRACE', 'NET_ADMIN'] }, runAsUser: 0, runAsNonRoot: false },
    });
    expect(container.resources).toBeUndefined();
    expect(api.count('POST', /jobs/)).toBe(0);
  });

  it('is told when the containers of the pod share their processes', async () => {
    pod.spec.shareProcessNamespace = true;
    await start();
    expect(pod.spec.ephemeralContainers[0].args).toContain('--shared-processes');
  });

  it('asks for no capability when all are disabled', async () => {
    await start({ disabledCapabilities: ['SYS_PTRACE', 'NET_ADMIN'] });
    expect(pod.spec.ephemeralContainers[0].securityContext.capabilities).toBeUndefined();
  });

  it('that never runs is told with its own state at the end of its time, not with that of the target', async () => {
    state = { waiting: { reason: 'ContainerCreating' } };
    const { code, message } = await failure({ startupTimeout: 1 });
    expect(code).toBe('AGENT_START_TIMEOUT');
    expect(message).toMatch(
      /within 1 s.*waiting for its container to run: its pod "web-1" is Running; container "mirrord-agent-\w+" is waiting: ContainerCreating\./,
    );
  });

  it('joins one that runs for the same container, and not one that has ended', async () => {
    const first = await start();
    const second = await start();
    expect(second.created).toBe(false);
    expect(second.handoff).toMatchObject({ port: first.handoff.port, token: first.handoff.token });
    pod.status.ephemeralContainerStatuses[0].state = { terminated: { exitCode: 0 } };
    expect((await start()).created).toBe(true);
  });

  it('looks again when somebody else has changed the pod, and gives up at last', async () => {
    let conflicts = 0;
    api.on(PATCH, ({ body }, response) =>
      conflicts++ < 2 ? status(response, 409, 'Conflict', 'changed') : add(body.spec.ephemeralContainers[0]),
    );
    expect((await start()).created).toBe(true);
    pod = targetPod();
    api.on(PATCH, (_, response) => status(response, 409, 'Conflict', 'changed'));
    expect((await failure()).code).toBe('AGENT_CONFLICT');
  });

  it.each([
    [
      'AGENT_REJECTED',
      403,
      'violates PodSecurity "baseline:latest": non-default capabilities',
      /disabled_capabilities/,
    ],
    [
      'FORBIDDEN',
      403,
      'pods "web-1" is forbidden: User "dev" cannot patch resource "pods/ephemeralcontainers" in API group ""',
      /kind: Role/,
    ],
  ])('that is refused is %s (%s)', async (code, statusCode, message, hint) => {
    api.on(PATCH, (_, response) => status(response, statusCode, 'Forbidden', message));
    const error = await failure();
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.hint).toMatch(hint);
  });

  it.each([
    ['AGENT_IMAGE_PULL', { waiting: { reason: 'ErrImagePull', message: 'not found: x' } }, /not found: x/],
    ['AGENT_FAILED', { terminated: { exitCode: 2 } }, /exit code 2/],
  ])('that cannot run is %s', async (code, next, words) => {
    state = next;
    const error = await failure();
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
    expect(error.hint).toBeTruthy();
  });
});
