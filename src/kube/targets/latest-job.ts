import { MirrordError } from '../../errors';
import type { Meta } from '../objects';
import type { LabelSelector } from '../selector';
import { getObject, listObjects, type Scope } from './read-objects';
import { RESOURCES } from './resources';

interface JobObject {
  metadata: Meta;
  spec: { selector: LabelSelector };
  status?: { active?: number };
}

/**
 * The newest Job of a CronJob that still runs.
 *
 * @throws MirrordError TARGET_NOT_FOUND, TARGET_NOT_READY
 */
export async function latestJob(scope: Scope, name: string): Promise<JobObject> {
  const cronJob = await getObject<any>(scope, RESOURCES.cronjob, name);
  const jobs = (await listObjects<JobObject>(scope, RESOURCES.job)).filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ uid }) => uid === cronJob.metadata.uid),
  );
  const age = ({ metadata }: JobObject) => Date.parse(metadata.creationTimestamp);
  const [latest] = jobs
    .filter(({ metadata, status }) => !metadata.deletionTimestamp && (status?.active ?? 0) > 0)
    .sort((a, b) => age(b) - age(a) || b.metadata.name.localeCompare(a.metadata.name));
  if (latest) return latest;
  const { schedule, suspend } = cronJob.spec ?? {};
  throw new MirrordError(
    'TARGET_NOT_READY',
    `CronJob "${name}" in namespace "${scope.namespace}" has no job that runs now${suspend ? ': it is suspended' : ''} (schedule "${schedule}").`,
    { hint: `Start one: kubectl -n ${scope.namespace} create job ${name}-now --from=cronjob/${name}` },
  );
}
