import type { NamedTarget } from '../../config/types';
import { isMirrordError } from '../../errors';
import type { Pod } from '../objects';
import { latestJob } from './latest-job';
import { type PodQuery, podsOf } from './pods-of';
import type { Scope } from './read-objects';

/** A query for the pods of a target that come and go during a session. */
export interface WatchedPods extends PodQuery {
  /** The target's pods among those that were found, in groups of which the first with a ready pod counts. Default: one group. */
  runs?(pods: Pod[]): Pod[][];
}

const JOB_NAME = 'job-name';
const none = { whenEmpty: { message: '', hint: '' } };

/**
 * As `podsOf`, for a watch: what is deleted and made again under the same name is seen too, although its selector may be another.
 *
 * @throws MirrordError as `podsOf` does, but none because there are no pods now
 */
export async function watchedPods(scope: Scope, target: NamedTarget): Promise<WatchedPods> {
  const { kind, name } = target;
  if (kind === 'pod') return { query: { fieldSelector: `metadata.name=${name}` }, ...none };
  if (kind === 'job') return { query: { labelSelector: `${JOB_NAME}=${name}` }, ...none };
  return kind === 'cronjob' ? podsOfRuns(scope, name) : podsOf(scope, target);
}

/**
 * Pods of one run have no label that those of the next one have, and nothing can be selected by its owner: so the running pods of all
 * Jobs are asked for, and told by the name of their Job. One that somebody has made of the CronJob by hand is known when it is the latest.
 */
async function podsOfRuns(scope: Scope, name: string): Promise<WatchedPods> {
  const latest = await latestJob(scope, name).catch((error) => {
    if (isMirrordError(error) && error.code === 'TARGET_NOT_READY') return undefined;
    throw error;
  });
  const isRun = (job: string) => job === latest?.metadata.name || isScheduled(job, name);
  return {
    query: { labelSelector: JOB_NAME, fieldSelector: 'status.phase=Running' },
    ...none,
    runs(pods) {
      const runs = new Map<string, Pod[]>();
      for (const pod of pods) {
        const job = pod.metadata.labels?.[JOB_NAME] ?? '';
        if (isRun(job)) runs.set(job, [...(runs.get(job) ?? []), pod]);
      }
      return [...runs.values()].sort((a, b) => newest(b) - newest(a));
    },
  };
}

/** The controller calls the Job of a run after the minute that it was due. */
function isScheduled(job: string, cronJob: string): boolean {
  return job.startsWith(`${cronJob}-`) && /^\d+$/.test(job.slice(cronJob.length + 1));
}

function newest(pods: Pod[]): number {
  return Math.max(...pods.map(({ metadata }) => Date.parse(metadata.creationTimestamp)));
}
