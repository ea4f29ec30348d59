import { createHash, randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import type { AgentConfig } from '../config/types';
import { agentContainer, CONTAINER_NAME, readAgentContainer, securityContext, targetArgs } from './agent-container';
import type { Job } from './objects';
import type { ChosenTarget } from './types';

/** What an agent is known by, on both sides of a start. */
export interface AgentPlan {
  jobName: string;
  namespace: string;
  port: number;
  token: string;
  /** Marks the Job as made by this very start, should its answer get lost. */
  startId: string;
  manifest: Record<string, unknown>;
}

export const MANAGED_BY = 'mirrord-node';
export const START_ANNOTATION = 'mirrord-node/start';

/** To enter the target's namespaces, to read its files and variables, and for traffic rules. */
const CAPABILITIES = ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN'];

/** Meshes would put a proxy into the agent's pod and take its connections over. */
const MESH_LABELS = { 'kuma.io/sidecar-injection': 'disabled', 'sidecar.istio.io/inject': 'false' };
const MESH_ANNOTATIONS = { 'sidecar.istio.io/inject': 'false', 'linkerd.io/inject': 'disabled' };

/**
 * The Job for a target: the same name for the same container, so that a second start finds the agent of the first one.
 * Without a target the name is the user's own.
 */
export function planAgent(config: AgentConfig, target: ChosenTarget | undefined, namespace: string): AgentPlan {
  const who = currentUser();
  const identity = target ? `${target.podUid}/${target.containerId}` : `targetless/${who}`;
  const hash = createHash('sha256').update(identity).digest();
  const plan = {
    jobName: `mirrord-agent-${hash.toString('hex').slice(0, 16)}`,
    namespace,
    port: 30_000 + (hash.readUInt32BE(8) % (65_536 - 30_000)),
    token: randomBytes(32).toString('hex'),
    startId: randomBytes(8).toString('hex'),
  };
  return { ...plan, manifest: buildJob(config, target, plan, who) };
}

type Identity = Omit<AgentPlan, 'manifest'>;

function buildJob(config: AgentConfig, target: ChosenTarget | undefined, plan: Identity, who: string) {
  const labels = {
    ...(config.disableMeshSidecarInjection && MESH_LABELS),
    ...config.labels,
    'app.kubernetes.io/name': 'mirrord-agent',
    'app.kubernetes.io/managed-by': MANAGED_BY,
    'mirrord-node/user': labelValue(who),
    'mirrord-node/target': labelValue(target ? target.pod : 'targetless'),
  };
  const annotations = {
    ...(config.disableMeshSidecarInjection && MESH_ANNOTATIONS),
    ...config.annotations,
    'mirrord-node/target-path': target ? `${target.namespace}/${target.path}` : 'targetless',
    [START_ANNOTATION]: plan.startId,
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: plan.jobName, namespace: plan.namespace, labels, annotations },
    spec: {
      backoffLimit: 0,
      ttlSecondsAfterFinished: config.ttl,
      activeDeadlineSeconds: config.deadline,
      template: { metadata: { labels, annotations }, spec: buildPodSpec(config, target, plan) },
    },
  };
}

/** No volume at all: each, even the service account's token, delays the start by 0.3 s, and /proc reaches everything. */
function buildPodSpec(config: AgentConfig, target: ChosenTarget | undefined, plan: Identity) {
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 5,
    ...(target
      ? { hostPID: true, nodeName: target.nodeName, tolerations: config.tolerations }
      : config.nodeSelector && { nodeSelector: config.nodeSelector }),
    ...(config.imagePullSecrets.length > 0 && { imagePullSecrets: config.imagePullSecrets }),
    ...(config.serviceAccount && { serviceAccountName: config.serviceAccount }),
    ...(config.priorityClass && { priorityClassName: config.priorityClass }),
    ...(config.securityContext && { securityContext: config.securityContext }),
    containers: [
      {
        name: CONTAINER_NAME,
        ...agentContainer(config, plan, target ? targetArgs(target) : ['targetless']),
        resources: config.resources,
        ...(target && { securityContext: securityContext(config, CAPABILITIES) }),
      },
    ],
  };
}

/** Reads port and token out of a Job that is there; undefined when it is not of this form. */
export function readAgentJob(job: Job) {
  return readAgentContainer(job.spec.template.spec.containers[0]);
}

export function currentUser(): string {
  try {
    return userInfo().username || 'unknown';
  } catch {
    // A user id without an entry in the system's database, as in many containers.
    return 'unknown';
  }
}

/** Labels hold 63 letters of a narrow set, and begin and end with a letter or digit. */
export function labelValue(text: string): string {
  return text
    .replace(/[^\w.-]+/g, '-')
    .slice(0, 63)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
}
