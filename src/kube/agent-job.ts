import { createHash, randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import type { AgentConfig } from '../config/types';
import { parseContainerId } from './choose-container';
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
export const TOKEN_VARIABLE = 'MIRRORD_AGENT_TOKEN';

/** Group id the agent runs with, so that traffic rules can exempt its own connections. */
const AGENT_GROUP = 30_517;

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
    ...MESH_LABELS,
    ...config.labels,
    'app.kubernetes.io/name': 'mirrord-agent',
    'app.kubernetes.io/managed-by': MANAGED_BY,
    'mirrord-node/user': labelValue(who),
    'mirrord-node/target': labelValue(target ? target.pod : 'targetless'),
  };
  const annotations = {
    ...MESH_ANNOTATIONS,
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
    containers: [buildContainer(config, target, plan)],
  };
}

/** The image's own command; arguments begin the same way always, because admission rules match them by prefix. */
function buildContainer(config: AgentConfig, target: ChosenTarget | undefined, plan: Identity) {
  return {
    name: 'mirrord-agent',
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    args: ['--port', String(plan.port), ...(target ? targetArgs(target) : ['targetless'])],
    env: Object.entries({
      [TOKEN_VARIABLE]: plan.token,
      MIRRORD_AGENT_IDLE_TIMEOUT: String(config.idleTimeout),
      MIRRORD_AGENT_COMMUNICATION_TIMEOUT: String(config.communicationTimeout),
      MIRRORD_AGENT_GRACE: String(config.grace),
      MIRRORD_AGENT_LOG_LEVEL: config.logLevel,
    }).map(([name, value]) => ({ name, value })),
    resources: config.resources,
    ...(target && { securityContext: securityContext(config) }),
  };
}

function targetArgs({ containerId }: ChosenTarget): string[] {
  const { runtime, id } = parseContainerId(containerId);
  return ['targeted', '--container-id', id, '--container-runtime', runtime];
}

function securityContext(config: AgentConfig) {
  return config.privileged
    ? { privileged: true, runAsGroup: AGENT_GROUP }
    : { runAsGroup: AGENT_GROUP, capabilities: { add: ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN'] } };
}

/** Reads port and token out of a Job that is there; undefined when it is not of this form. */
export function readAgentJob(job: Job): { port: number; token: string; image: string } | undefined {
  const [container] = job.spec.template.spec.containers;
  const token = container?.env?.find(({ name }) => name === TOKEN_VARIABLE)?.value;
  const args = container?.args ?? [];
  const port = Number(args[args.indexOf('--port') + 1]);
  return token && Number.isInteger(port) && port > 0 ? { port, token, image: container?.image ?? '' } : undefined;
}

function currentUser(): string {
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
