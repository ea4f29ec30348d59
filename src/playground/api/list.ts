import { parseFieldSelector } from '../field-selectors';
import { parseLabelSelector } from '../selectors';
import { badRequest } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';
import type { ApiContext, ResourceCall } from './context';
import { type Continue, decodeContinue, encodeContinue, expiredContinue } from './continue-token';
import { negotiate, type Representation } from './negotiate';
import { representList } from './represent';
import { sendJson } from './respond';

/** The filter of a list or watch: namespace, name and both selectors. */
export function filterOf({ query, info, resource }: Pick<ResourceCall, 'query' | 'info' | 'resource'>) {
  const byLabel = parseLabelSelector(query.get('labelSelector') ?? '');
  const byField = parseFieldSelector(resource.plural, query.get('fieldSelector') ?? '');
  const namespace = resource.namespaced ? info.namespace : undefined;
  return (object: KubeObject): boolean =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (info.name === undefined || object.metadata.name === info.name) &&
    byLabel(object.metadata.labels) &&
    byField(object);
}

export function representationOf({ request, query }: Pick<ResourceCall, 'request' | 'query'>): Representation {
  const includeObject = query.get('includeObject') as Representation['includeObject'];
  return { ...negotiate(request.headers.accept), ...(includeObject ? { includeObject } : {}) };
}

/** GET of a collection: selectors, `limit` and `continue`, and the demands on the resource version. */
export function handleList(call: ResourceCall): void {
  const { context, query, resource, response } = call;
  const representation = representationOf(call);
  const token = query.get('continue');
  const start = token ? decodeContinue(token) : undefined;
  checkVersion(context, query, start);
  const matches = filterOf(call);
  const all = context.store.list(resource.plural).filter(matches);
  const remaining = start ? all.filter((object) => keyOf(object) > start.start) : all;
  const limit = Number(query.get('limit') ?? 0);
  const page = limit > 0 ? remaining.slice(0, limit) : remaining;

  const revision = start && start.rv > 0 ? start.rv : context.log.revision;
  const metadata: Record<string, unknown> = { resourceVersion: String(revision) };
  if (page.length < remaining.length) {
    metadata.continue = encodeContinue({ rv: revision, start: keyOf(page.at(-1)!) });
    // With a selector the real server does not know how many are left, and says nothing.
    if (!query.get('labelSelector') && !query.get('fieldSelector')) {
      metadata.remainingItemCount = remaining.length - page.length;
    }
  }
  sendJson(response, representList(resource, page, metadata, representation), representation);
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function checkVersion(context: ApiContext, query: URLSearchParams, start: Continue | undefined): void {
  const { revision, oldest } = context.log;
  if (start) {
    if (start.rv > 0 && start.rv < oldest) throw expiredContinue(start);
    return;
  }
  const text = query.get('resourceVersion');
  const match = query.get('resourceVersionMatch');
  if (match && !text) throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (!text || text === '0') return;
  const wanted = parseResourceVersion(text);
  if (wanted > revision) throw tooLarge(wanted, revision);
  if (match === 'Exact' && wanted !== revision) {
    throw new StatusError(410, 'Expired', 'The resourceVersion for the provided list is too old.');
  }
}

/** @throws StatusError 500 with Go's own words: so the real server answers. */
export function parseResourceVersion(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const quoted = JSON.stringify(text);
  const message = `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`;
  throw new StatusError(500, '', message);
}

function tooLarge(wanted: number, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  return new StatusError(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}
