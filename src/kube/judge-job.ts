import type { Verdict } from './judge-pod';
import type { Job } from './objects';

/** What the agent's Job shows as long as it has no pod; `waiting` may say for what. */
export function judgeJob(job: Job | undefined, uid: string): Verdict {
  if (!job || job.metadata.uid !== uid || job.metadata.deletionTimestamp) {
    return { kind: 'over', code: 'AGENT_FAILED', message: "The agent's Job was deleted while it started." };
  }
  const failed = job.status?.conditions?.find(({ type, status }) => type === 'Failed' && status === 'True');
  if (failed) {
    const message = `The agent's Job failed: ${[failed.reason, failed.message].filter(Boolean).join(': ')}.`;
    return { kind: 'over', code: 'AGENT_FAILED', message };
  }
  // Queues such as Kueue hold Jobs back like that, and let them go when it is their turn.
  return job.spec.suspend ? { kind: 'waiting', what: 'its Job is suspended, as by a queue' } : { kind: 'waiting' };
}
