import type { IncomingMessage, ServerResponse } from 'node:http';
import { findResource, RESOURCES, REVIEWS, type Resource } from '../resources';
import { notFound } from '../status';
import { StatusError } from '../status-error';
import { ANONYMOUS, forbidden, forbiddenPath } from './authorize';
import type { ApiContext, ResourceCall } from './context';
import { handleCreate } from './create';
import { handleDelete, handleDeleteCollection } from './delete';
import { handleList, representationOf } from './list';
import { handleLog } from './log';
import { serveNonResource } from './non-resource';
import { handlePatch } from './patch';
import { represent } from './represent';
import { attributesOf, parseResourcePath, type RequestInfo, verbOf } from './request-info';
import { sendJson, sendText } from './respond';
import { handleReview } from './reviews';
import { handleScale } from './scale';
import { handleUpdate } from './update';
import { handleWatch } from './watch';

type Handler = (call: ResourceCall) => void | Promise<void>;

const HANDLERS: Record<string, Handler> = {
  get: handleGet,
  list: handleList,
  watch: handleWatch,
  create: handleCreate,
  update: handleUpdate,
  patch: handlePatch,
  delete: handleDelete,
  deletecollection: handleDeleteCollection,
};

const STREAMS = new Set(['exec', 'attach', 'portforward']);

/** Answers one request of an authenticated or anonymous user. Throws StatusError for the caller to send. */
export async function dispatch(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  isAnonymous: boolean,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://playground');
  if (!isAnonymous || isPublic(url.pathname)) {
    if (serveNonResource(context, request, response, url)) return;
  }
  const route = routeResource(request.method ?? 'GET', url);
  if (isAnonymous && !route.info.resource) throw forbiddenPath(request.method ?? 'GET', url.pathname);
  if (isAnonymous) throw forbidden(attributesOf(route.info, route.verb ?? 'get'), ANONYMOUS);
  if (!route.resource) {
    if (!isKnownVersion(route.info)) return sendText(response, 404, '404 page not found\n');
    throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
  }
  const { info, resource, verb } = route;
  if (!verb || !isAllowedVerb(resource, info, verb)) {
    throw new StatusError(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
  }
  const attributes = attributesOf(info, verb);
  if (!context.authorizer.allows(attributes)) throw forbidden(attributes);
  const call = { context, request, response, query: url.searchParams, info, resource, pathname: url.pathname };
  await handlerOf(call, verb)(call);
}

const isPublic = (pathname: string): boolean => /^\/(healthz|livez|readyz|version)(\/|$)/.test(pathname);

export interface Route {
  info: RequestInfo;
  verb: string | undefined;
  resource: Resource | undefined;
}

export function routeResource(method: string, url: URL): Route {
  const info = parseResourcePath(url.pathname) ?? {
    group: '',
    version: '',
    resource: undefined,
    namespace: undefined,
    name: undefined,
    subresource: undefined,
  };
  return {
    info,
    verb: verbOf(method, info, url.searchParams),
    resource: info.resource ? findResource(info.group, info.version, info.resource) : undefined,
  };
}

function isKnownVersion({ group, version }: RequestInfo): boolean {
  return [...RESOURCES, ...REVIEWS].some((resource) => resource.group === group && resource.version === version);
}

function isAllowedVerb(resource: Resource, { name, subresource: wanted }: RequestInfo, verb: string): boolean {
  if (wanted === undefined) {
    const isOnCollection = ['create', 'list', 'deletecollection'].includes(verb);
    return resource.verbs.includes(verb) && (verb === 'watch' || isOnCollection === (name === undefined));
  }
  return resource.subresources.find(({ name: candidate }) => candidate === wanted)?.verbs.includes(verb) ?? false;
}

function handlerOf({ info, resource }: ResourceCall, verb: string): Handler {
  if (REVIEWS.includes(resource)) return handleReview;
  if (info.subresource === 'log') return handleLog;
  if (info.subresource === 'scale') return handleScale;
  if (info.subresource && STREAMS.has(info.subresource)) return refusePlainStream;
  return HANDLERS[verb]!;
}

/** exec and its like need an upgrade; those that have one never come here. */
function refusePlainStream({ context, info, resource }: ResourceCall): void {
  if (!context.store.get('pods', info.namespace, info.name!)) throw notFound(resource, info.name!);
  throw new StatusError(400, 'BadRequest', 'Upgrade request required');
}

function handleGet(call: ResourceCall): void {
  const { context, info, resource, response } = call;
  const representation = representationOf(call);
  const object = context.store.get(resource.plural, info.namespace, info.name!);
  if (!object) throw notFound(resource, info.name!);
  sendJson(response, represent(resource, object, representation), representation);
}
