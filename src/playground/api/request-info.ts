import type { Attributes } from './authorize';

/** What a URL below /api or /apis asks for. */
export interface RequestInfo {
  group: string;
  version: string;
  /** Plural; undefined when only the group and version are addressed (discovery). */
  resource: string | undefined;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

/** Splits `/api/v1/…` and `/apis/GROUP/VERSION/…`; undefined for every other path. */
export function parseResourcePath(pathname: string): RequestInfo | undefined {
  const parts = pathname.split('/').filter(Boolean).map(decode);
  const root = parts.shift();
  const group = root === 'api' ? '' : root === 'apis' ? parts.shift() : undefined;
  const version = parts.shift();
  if (group === undefined || version === undefined) return undefined;

  const base = { group, version, namespace: undefined, name: undefined, subresource: undefined };
  // `namespaces/NAME` alone is the Namespace object; with a resource after it, it is where that resource lives.
  const isSubresource = parts[2] === 'status' || parts[2] === 'finalize';
  if (parts[0] === 'namespaces' && parts.length > 2 && !isSubresource) {
    const [, namespace, resource, name, ...rest] = parts;
    return { ...base, namespace, resource, name, subresource: rest.length ? rest.join('/') : undefined };
  }
  const [resource, name, ...rest] = parts;
  // A Namespace's own name is also the namespace that authorization is asked about.
  const namespace = resource === 'namespaces' ? name : undefined;
  return { ...base, namespace, resource, name, subresource: rest.length ? rest.join('/') : undefined };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The verb that authorization is asked about. */
export function verbOf(method: string, info: RequestInfo, query: URLSearchParams): string | undefined {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (info.subresource || info.name) return isWatch(query) && !info.subresource ? 'watch' : 'get';
      return isWatch(query) ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return info.name ? 'delete' : 'deletecollection';
    default:
      return undefined;
  }
}

export function isWatch(query: URLSearchParams): boolean {
  return isTrue(query.get('watch'));
}

/** Booleans in queries, as Go reads them. */
export function isTrue(value: string | null): boolean {
  return value !== null && ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value);
}

export function attributesOf(info: RequestInfo, verb: string): Attributes {
  return {
    verb,
    group: info.group,
    resource: info.resource ?? '',
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
  };
}
