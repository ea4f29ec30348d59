import { MirrordError, nearestWord } from '../../errors';
import { MANAGED_BY } from '../agent-job';
import type { Cluster } from '../cluster';
import { request } from '../request';
import type { Resource } from './resources';

/** Where to look, for every request of one search. */
export interface Scope {
  cluster: Cluster;
  /** Undefined = all of them; for lists only. */
  namespace: string | undefined;
  signal?: AbortSignal;
}

const PAGE = 500;
/** A namespace with more pods than this is searched no further. */
const MOST = 20_000;

/**
 * One object by its name.
 *
 * @throws MirrordError TARGET_NOT_FOUND with near names, and what the API server answers
 */
export async function getObject<T>(scope: Scope, resource: Resource, name: string): Promise<T> {
  const { cluster, namespace, signal } = scope;
  const path = `${collection(resource, namespace)}/${name}`;
  const operation = { verb: 'get', resource: resource.plural, namespace };
  const { statusCode, body } = await request(cluster, { path, operation, signal }, [404]);
  if (statusCode === 404) throw await notFound(scope, resource, name, body.message);
  return body;
}

/** All objects of a collection, page by page. */
export async function listObjects<T>(
  { cluster, namespace, signal }: Scope,
  resource: Resource,
  query: Record<string, string> = {},
): Promise<T[]> {
  const operation = { verb: 'list', resource: resource.plural, namespace };
  const path = collection(resource, namespace);
  const items: T[] = [];
  let from: string | undefined;
  do {
    const page = { limit: String(PAGE), ...query, ...(from && { continue: from }) };
    const { body } = await request(cluster, { path, query: page, operation, signal });
    items.push(...(body.items ?? []));
    from = body.metadata?.continue;
  } while (from && items.length < MOST);
  return items;
}

export function collection({ api, plural }: Resource, namespace: string | undefined): string {
  return namespace === undefined ? `${api}/${plural}` : `${api}/namespaces/${namespace}/${plural}`;
}

/** Our own agents are no targets. */
export function isAgent({ metadata }: { metadata: { name: string; labels?: Record<string, string> } }): boolean {
  return metadata.labels?.['app.kubernetes.io/managed-by'] === MANAGED_BY || metadata.name.startsWith('mirrord-agent-');
}

async function notFound(scope: Scope, resource: Resource, name: string, words: string): Promise<MirrordError> {
  const { cluster, namespace } = scope;
  const { plural } = resource;
  const kind = resource.kind.toLowerCase();
  // Plain text for a group that the server does not know, as where Argo Rollouts is not installed.
  if (words.startsWith('404 page not found')) {
    return new MirrordError('TARGET_NOT_FOUND', `The cluster of context "${cluster.contextName}" has no ${plural}.`, {
      hint: `It does not know ${resource.api.slice('/apis/'.length)}. What there is: mirrord ls`,
      details: { kind, name, namespace, message: words },
    });
  }
  // Only for the suggestion: whoever may not list gets the message without one.
  const names = await listObjects<{ metadata: { name: string } }>(scope, resource).then(
    (items) => items.filter((item) => !isAgent(item)).map(({ metadata }) => metadata.name),
    () => [],
  );
  const near = nearestWord(name, names) ?? names.find((known) => known.startsWith(name));
  return new MirrordError(
    'TARGET_NOT_FOUND',
    `There is no ${kind} "${name}" in namespace "${namespace}" (context "${cluster.contextName}").${near ? ` Did you mean "${kind}/${near}"?` : ''}`,
    {
      hint:
        names.length > 0
          ? `The ${plural} there are: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}.`
          : `That namespace shows no ${plural}. Is it the right one? Set it with MIRRORD_TARGET_NAMESPACE or "target.namespace".`,
      details: { kind, name, namespace, message: words },
    },
  );
}
