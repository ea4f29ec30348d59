import { randomBytes, randomInt } from 'node:crypto';
import type { AgentConfig } from '../config/types';
import { MirrordError } from '../errors';
import { agentContainer, CONTAINER_NAME, readAgentContainer, securityContext, targetArgs } from './agent-container';
import { apiError } from './api-errors';
import type { Cluster } from './cluster';
import { judgeContainer } from './judge-pod';
import type { Container, Pod } from './objects';
import type { PlacedAgent, Placement } from './placement';
import { aborted, request } from './request';
import type { ChosenTarget } from './types';

/** It shares the pod's network already, so it needs nothing with which to enter a namespace. */
const CAPABILITIES = ['SYS_PTRACE', 'NET_ADMIN'];
/** Somebody else may add a container at the same moment. */
const TRIES = 5;

/**
 * The agent as an ephemeral container of the target's own pod: no Job, no further pod, no hostPID. Kubernetes never takes
 * such a container out of a pod again: it ends, and its entry stays until the pod goes.
 */
export function placeEphemeral(config: AgentConfig, target: ChosenTarget): Placement {
  const { namespace, pod: name } = target;
  return {
    namespace,
    query: { fieldSelector: `metadata.name=${name}` },
    inspect: `kubectl -n ${namespace} describe pod ${name}`,
    async ensure(cluster, _deadline, signal) {
      for (let attempt = 1; ; attempt++) {
        if (signal?.aborted) throw aborted(signal);
        const pod = await getPod(cluster, target, signal);
        const running = findRunning(pod, target);
        if (running) return placed(pod, running, false);
        const container = buildContainer(config, target, pod);
        const changed = await addContainer(cluster, target, pod, container);
        if (changed) return placed(changed, container, true);
        if (attempt === TRIES) throw conflict(target);
      }
    },
    // What was made ends by itself when no client comes; nothing else is possible.
    removeOwn: async () => {},
  };
}

function placed(pod: Pod, container: Container, created: boolean): PlacedAgent {
  const { uid } = pod.metadata;
  return {
    ...readAgentContainer(container)!,
    uid,
    created,
    container: container.name,
    owns: ({ metadata }) => metadata.uid === uid,
    judge: (now) =>
      judgeContainer(
        now,
        container,
        now.status?.ephemeralContainerStatuses?.find(({ name }) => name === container.name),
      ),
    remove: async () => {},
  };
}

/** An agent of an earlier session that still runs for the same container. */
function findRunning({ spec, status }: Pod, { container: targeted }: ChosenTarget): Container | undefined {
  return spec.ephemeralContainers?.find(
    (container) =>
      container.name.startsWith(CONTAINER_NAME) &&
      container.targetContainerName === targeted &&
      readAgentContainer(container) &&
      status?.ephemeralContainerStatuses?.some(({ name, state }) => name === container.name && state?.running),
  );
}

export function buildContainer(config: AgentConfig, target: ChosenTarget, { spec }: Pod): Container {
  const address = { port: randomInt(30_000, 65_536), token: randomBytes(32).toString('hex') };
  const args = [...targetArgs(target), '--ephemeral', ...(spec.shareProcessNamespace ? ['--shared-processes'] : [])];
  return {
    name: `${CONTAINER_NAME}-${randomBytes(5).toString('hex')}`,
    ...agentContainer(config, address, args),
    targetContainerName: target.container,
    // The pod may say that its containers run as somebody else, who could read nothing of the target's.
    securityContext: { ...securityContext(config, CAPABILITIES), runAsUser: 0, runAsNonRoot: false },
  };
}

async function getPod(cluster: Cluster, target: ChosenTarget, signal?: AbortSignal): Promise<Pod> {
  const { namespace, pod } = target;
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}`;
  const { body } = await request(cluster, { path, operation: { verb: 'get', resource: 'pods', namespace }, signal });
  return body as Pod;
}

/** Undefined when the pod changed meanwhile. */
async function addContainer(
  cluster: Cluster,
  { namespace, pod: name }: ChosenTarget,
  pod: Pod,
  container: Container,
): Promise<Pod | undefined> {
  const operation = { verb: 'patch', resource: 'pods/ephemeralcontainers', namespace };
  const options = {
    method: 'PATCH',
    path: `/api/v1/namespaces/${namespace}/pods/${name}/ephemeralcontainers`,
    contentType: 'application/strategic-merge-patch+json',
    // The version makes it fail when somebody else has added one: then theirs may be an agent to join.
    body: { metadata: { resourceVersion: pod.metadata.resourceVersion }, spec: { ephemeralContainers: [container] } },
    operation,
  } as const;
  const { statusCode, body } = await request(cluster, options, [400, 403, 404, 409, 422]);
  if (statusCode < 300) return body as Pod;
  if (statusCode === 409) return undefined;
  if (statusCode === 404 || / cannot \w+ resource /.test(body.message)) {
    throw apiError(body, operation, cluster.server, cluster.contextName);
  }
  throw new MirrordError('AGENT_REJECTED', `The cluster refused the agent's ephemeral container: ${body.message}`, {
    hint: 'Where capabilities are refused, "agent.disabled_capabilities": ["SYS_PTRACE", "NET_ADMIN"] does without them, for targets that run as root.',
    details: { status: statusCode, reason: body.reason },
  });
}

function conflict({ pod, namespace }: ChosenTarget): MirrordError {
  return new MirrordError(
    'AGENT_CONFLICT',
    `The pod "${pod}" in namespace "${namespace}" changed ${TRIES} times while a container was added to it.`,
    { hint: 'Try again when it has settled.' },
  );
}
