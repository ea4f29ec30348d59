import { badRequest, conflict, detailsOf, notFound } from '../status';
import type { KubeObject } from '../types';
import { parseObject, readBody } from './body';
import type { ResourceCall } from './context';
import { isDryRun } from './create';
import { filterOf, representationOf } from './list';
import { represent, representList } from './represent';
import { isTrue } from './request-info';
import { sendJson } from './respond';

type Policy = 'Background' | 'Foreground' | 'Orphan';

interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: Policy;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun: boolean;
}

const ORPHAN_WARNING =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set ' +
  'propagationPolicy=Orphan to suppress this warning';

/** Deleting one of these answers with the object, even when it is gone already. */
const RETURNS_OBJECT = new Set(['pods', 'services', 'serviceaccounts']);

export async function handleDelete(call: ResourceCall): Promise<void> {
  const { context, info, resource, response } = call;
  const options = await readOptions(call);
  const current = context.store.get(resource.plural, info.namespace, info.name!);
  if (!current) throw notFound(resource, info.name!);
  checkPreconditions(call, current, options);

  const warnings = resource.plural === 'jobs' && !options.propagationPolicy ? [ORPHAN_WARNING] : [];
  const deleted = options.dryRun ? current : deleteOne(call, current, options);
  const isGone = options.dryRun || !context.store.get(resource.plural, info.namespace, info.name!);
  const body =
    isGone && !RETURNS_OBJECT.has(resource.plural)
      ? successStatus(call, deleted)
      : represent(resource, deleted, representationOf(call));
  sendJson(response, body, { warnings });
}

/** DELETE of a collection: everything the selectors match. */
export async function handleDeleteCollection(call: ResourceCall): Promise<void> {
  const { context, resource, response } = call;
  const options = await readOptions(call);
  const targets = context.store.list(resource.plural).filter(filterOf(call));
  const deleted = targets.map((object) => (options.dryRun ? object : deleteOne(call, object, options)));
  const metadata = { resourceVersion: String(context.log.revision) };
  sendJson(response, representList(resource, deleted, metadata, representationOf(call)));
}

function deleteOne({ context, resource }: ResourceCall, { metadata }: KubeObject, options: DeleteOptions): KubeObject {
  // batch/v1 Jobs keep the default of their first days: their pods stay.
  const propagationPolicy = options.propagationPolicy ?? (resource.plural === 'jobs' ? 'Orphan' : 'Background');
  const { gracePeriodSeconds } = options;
  return context.store.delete(resource.plural, metadata.namespace, metadata.name, {
    gracePeriodSeconds,
    propagationPolicy,
  })!;
}

function successStatus({ resource }: ResourceCall, { metadata }: KubeObject): unknown {
  const details = { ...detailsOf(resource, metadata.name), uid: metadata.uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

/** Options come in the body or in the query; the body wins. */
async function readOptions({ request, query }: ResourceCall): Promise<DeleteOptions> {
  const bytes = await readBody(request);
  // A typed client sends its options as protobuf with a policy in it, which its query does not repeat.
  const isProtobuf = request.headers['content-type']?.includes('protobuf');
  const type = request.headers['content-type']?.includes('yaml') ? 'application/yaml' : 'application/json';
  const body = bytes.length > 0 && !isProtobuf ? parseObject(bytes, type, 'DeleteOptions') : {};
  const orphan =
    query.get('orphanDependents') ?? (body.orphanDependents === undefined ? null : String(body.orphanDependents));
  const grace = body.gracePeriodSeconds ?? query.get('gracePeriodSeconds') ?? undefined;
  const policy = body.propagationPolicy ?? query.get('propagationPolicy') ?? undefined;
  if (policy !== undefined && !['Background', 'Foreground', 'Orphan'].includes(policy)) {
    throw badRequest(`invalid propagationPolicy: ${JSON.stringify(policy)}, expected Foreground, Background or Orphan`);
  }
  return {
    gracePeriodSeconds: grace === undefined ? undefined : Number(grace),
    propagationPolicy:
      policy ?? (orphan === null ? (isProtobuf ? 'Background' : undefined) : isTrue(orphan) ? 'Orphan' : 'Background'),
    preconditions: body.preconditions,
    dryRun: isDryRun(query) || body.dryRun?.includes('All') === true,
  };
}

function checkPreconditions(
  { resource }: ResourceCall,
  { metadata }: KubeObject,
  { preconditions }: DeleteOptions,
): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const stale = (uid && uid !== metadata.uid) || (resourceVersion && resourceVersion !== metadata.resourceVersion);
  if (stale) throw conflict(resource, metadata.name);
}
