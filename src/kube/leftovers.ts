import { currentUser, labelValue, MANAGED_BY } from './agent-job';
import type { Cluster } from './cluster';
import type { Job, Meta, Pod } from './objects';
import { request } from './request';

/** Something of ours in the cluster. */
export interface Leftover {
  kind: 'Job' | 'Pod';
  namespace: string;
  name: string;
  uid: string;
  /** Whoever started it, as its label says. */
  user: string;
  /** `NAMESPACE/KIND/NAME` of its target. */
  target: string;
  created: string;
  /** In one line what it is doing. */
  state: string;
  /** It serves, or may serve soon; then it ends by itself after its last session. */
  running: boolean;
  /** It was started by the user of this machine. */
  own: boolean;
}

const LABEL = { labelSelector: `app.kubernetes.io/managed-by=${MANAGED_BY}` };

/**
 * All Jobs of ours, and pods of ours whose Job is gone: they stay when a Job is deleted without its pods.
 *
 * @param namespace undefined = all
 * @throws MirrordError FORBIDDEN, CLUSTER_*
 */
export async function findLeftovers(cluster: Cluster, namespace: string | undefined): Promise<Leftover[]> {
  const [jobs, pods] = await Promise.all([
    list<Job>(cluster, '/apis/batch/v1', 'jobs', namespace),
    list<Pod>(cluster, '/api/v1', 'pods', namespace),
  ]);
  const known = new Set(jobs.map(({ metadata }) => metadata.uid));
  const ownerOf = ({ metadata }: Pod) => metadata.ownerReferences?.find(({ kind }) => kind === 'Job')?.uid ?? '';
  const orphans = pods.filter((pod) => !known.has(ownerOf(pod)));
  return [
    ...jobs.map((job) =>
      describe(
        'Job',
        job.metadata,
        judgeJob(
          job,
          pods.filter((pod) => ownerOf(pod) === job.metadata.uid),
        ),
      ),
    ),
    ...orphans.map((pod) =>
      describe('Pod', pod.metadata, { state: `${pod.status?.phase}, its Job is gone`, running: false }),
    ),
  ];
}

/** With its pods, and only this very object; one that is gone meanwhile is fine. */
export async function removeLeftover(cluster: Cluster, { kind, namespace, name, uid }: Leftover): Promise<void> {
  const [api, resource] = kind === 'Job' ? ['/apis/batch/v1', 'jobs'] : ['/api/v1', 'pods'];
  const options = {
    method: 'DELETE',
    path: `${api}/namespaces/${namespace}/${resource}/${name}`,
    body: { propagationPolicy: 'Background', preconditions: { uid } },
    operation: { verb: 'delete', resource: resource!, namespace },
  } as const;
  await request(cluster, options, [404, 409]);
}

async function list<T>(cluster: Cluster, api: string, resource: string, namespace?: string): Promise<T[]> {
  const path = `${api}${namespace ? `/namespaces/${namespace}` : ''}/${resource}`;
  const { body } = await request(cluster, { path, query: LABEL, operation: { verb: 'list', resource, namespace } });
  return body.items ?? [];
}

function judgeJob({ metadata, status }: Job, pods: Pod[]): { state: string; running: boolean } {
  const end = status?.conditions?.find(
    ({ type, status }) => ['Complete', 'Failed'].includes(type) && status === 'True',
  );
  if (metadata.deletionTimestamp) return { state: 'being deleted', running: false };
  if (end)
    return { state: end.type === 'Complete' ? 'finished' : `failed (${end.reason ?? 'no reason'})`, running: false };
  const [pod] = pods;
  if (!pod) return { state: 'has no pod', running: false };
  const phase = pod.status?.phase ?? 'Pending';
  return { state: phase.toLowerCase(), running: phase === 'Running' || phase === 'Pending' };
}

function describe(
  kind: Leftover['kind'],
  { name, namespace = '', uid, labels = {}, annotations = {}, creationTimestamp }: Meta,
  judged: { state: string; running: boolean },
): Leftover {
  const user = labels['mirrord-node/user'] ?? '';
  return {
    kind,
    namespace,
    name,
    uid,
    user,
    target: annotations['mirrord-node/target-path'] ?? '',
    created: creationTimestamp,
    ...judged,
    own: user === labelValue(currentUser()),
  };
}
