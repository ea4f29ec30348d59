import { setTimeout as sleep } from 'node:timers/promises';
import { MirrordError } from '../errors';
import { type AgentPlan, readAgentJob, START_ANNOTATION } from './agent-job';
import { apiError, type FailedAnswer } from './api-errors';
import type { Cluster } from './cluster';
import type { Job } from './objects';
import { adviseOnRefusal } from './privilege-ladder';
import { aborted, request } from './request';

export interface EnsuredJob {
  job: Job;
  /** False when the Job was there and is joined. */
  created: boolean;
  port: number;
  token: string;
  image: string;
}

type JobName = Pick<AgentPlan, 'jobName' | 'namespace'>;

const collection = (plan: JobName) => `/apis/batch/v1/namespaces/${plan.namespace}/jobs`;
const operation = (verb: string, plan: JobName) => ({ verb, resource: 'jobs', namespace: plan.namespace });
/** Milliseconds between looks at a Job that is on its way out: mostly it is gone at once, but a finalizer may hold it. */
const FIRST_LOOK = 50;
const LONGEST_LOOK = 1000;

/**
 * Creates the agent's Job, joins the one that is there, or replaces it when it has finished.
 *
 * @param deadline milliseconds since the epoch: until when an old Job must have gone
 * @throws MirrordError AGENT_REJECTED, NAMESPACE_NOT_FOUND, AGENT_CONFLICT, AGENT_START_TIMEOUT, and what the API answers
 */
export async function ensureJob(
  cluster: Cluster,
  plan: AgentPlan,
  deadline: number,
  signal?: AbortSignal,
): Promise<EnsuredJob> {
  for (let pause = FIRST_LOOK; ; pause = Math.min(2 * pause, LONGEST_LOOK)) {
    if (signal?.aborted) throw aborted(signal);
    const created = await createJob(cluster, plan);
    if (created) return ensured(created, plan, true);
    const existing = await getJob(cluster, plan, signal);
    if (existing && isOver(existing)) await deleteJob(cluster, plan, existing.metadata.uid);
    // The answer to an earlier try of ours may have got lost on its way.
    else if (existing)
      return ensured(existing, plan, existing.metadata.annotations?.[START_ANNOTATION] === plan.startId);
    if (Date.now() > deadline) {
      throw new MirrordError(
        'AGENT_START_TIMEOUT',
        `The finished Job "${plan.jobName}" in namespace "${plan.namespace}" did not go away in time.`,
        { hint: `Delete it: kubectl -n ${plan.namespace} delete job ${plan.jobName}` },
      );
    }
    await sleep(pause);
  }
}

/** Undefined when there is one of that name. The signal is not passed on: a request cut short may still create the Job. */
async function createJob(cluster: Cluster, plan: AgentPlan): Promise<Job | undefined> {
  const options = {
    method: 'POST',
    path: collection(plan),
    query: { fieldManager: 'mirrord-node' },
    body: plan.manifest,
    operation: operation('create', plan),
  } as const;
  const { statusCode, body } = await request(cluster, options, [400, 403, 404, 409, 422]);
  if (statusCode < 300) return body as Job;
  if (statusCode === 409) return undefined;
  throw explainRefusal(cluster, plan, body);
}

function explainRefusal(cluster: Cluster, plan: AgentPlan, failure: FailedAnswer): MirrordError {
  if (failure.statusCode === 404 && failure.message.includes('namespaces')) {
    return new MirrordError('NAMESPACE_NOT_FOUND', `The agent's Job cannot be created: ${failure.message}.`, {
      hint: 'Correct "target.namespace" or "agent.namespace", or see: kubectl get namespaces',
      details: { namespace: plan.namespace },
    });
  }
  // 403 is also how quotas and admission webhooks answer, and then no Role would help.
  if (failure.statusCode !== 404 && !/ cannot \w+ resource /.test(failure.message)) {
    return new MirrordError('AGENT_REJECTED', `The cluster refused the agent's Job: ${failure.message}`, {
      hint: adviseOnRefusal(failure.message, plan.namespace),
      details: { status: failure.statusCode, reason: failure.reason },
    });
  }
  return apiError(failure, operation('create', plan), cluster.server, cluster.contextName);
}

export async function getJob(cluster: Cluster, plan: JobName, signal?: AbortSignal): Promise<Job | undefined> {
  const path = `${collection(plan)}/${plan.jobName}`;
  const { statusCode, body } = await request(cluster, { path, operation: operation('get', plan), signal }, [404]);
  return statusCode === 404 ? undefined : (body as Job);
}

function isOver({ metadata, status }: Job): boolean {
  const ended = ['Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet'];
  return (
    metadata.deletionTimestamp !== undefined ||
    (status?.conditions ?? []).some(({ type, status }) => ended.includes(type) && status === 'True')
  );
}

function ensured(job: Job, plan: AgentPlan, created: boolean): EnsuredJob {
  const agent = readAgentJob(job);
  if (agent) return { job, created, ...agent };
  throw new MirrordError(
    'AGENT_CONFLICT',
    `The Job "${plan.jobName}" in namespace "${plan.namespace}" is there and is not an agent of this version.`,
    { hint: `Delete it: kubectl -n ${plan.namespace} delete job ${plan.jobName}` },
  );
}

/**
 * Deletes the Job and, in the background, its pod. Without that policy batch/v1 would leave the pod running.
 *
 * @param uid only that very Job, not a later one of the same name
 */
export async function deleteJob(cluster: Cluster, plan: JobName, uid: string): Promise<void> {
  const options = {
    method: 'DELETE',
    path: `${collection(plan)}/${plan.jobName}`,
    body: { propagationPolicy: 'Background', preconditions: { uid } },
    operation: operation('delete', plan),
    timeoutMs: 5000,
  } as const;
  await request(cluster, options, [404, 409]);
}

/**
 * After a start that failed: deletes the Job if this start made it, even when the answer to its creation got lost.
 *
 * @returns what was found: a Job of this start, of another one, or none
 */
export async function removeOwnJob(
  cluster: Cluster,
  plan: Pick<AgentPlan, 'jobName' | 'namespace' | 'startId'>,
): Promise<'own' | 'other' | 'none'> {
  const job = await getJob(cluster, plan, AbortSignal.timeout(5000));
  if (!job) return 'none';
  if (job.metadata.annotations?.[START_ANNOTATION] !== plan.startId) return 'other';
  await deleteJob(cluster, plan, job.metadata.uid);
  return 'own';
}
