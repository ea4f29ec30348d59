import { allocateClusterIP } from '../defaults/service';
import { alreadyExists } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';
import { mediaType, parseObject, readBody } from './body';
import type { ResourceCall } from './context';
import { representationOf } from './list';
import { checkKind, prepareNew, requireNamespace, settleNamespace, validateFields } from './prepare';
import { represent } from './represent';
import { sendJson } from './respond';

const MAX_ATTEMPTS = 8;

/** POST to a collection. */
export async function handleCreate(call: ResourceCall): Promise<void> {
  const { request, query, info, resource } = call;
  const object = parseObject(await readBody(request), mediaType(request), resource.kind);
  checkKind(resource, object);
  settleNamespace(resource, object, info.namespace);
  const warnings = validateFields(resource, object, query.get('fieldValidation'));
  respondCreated(call, createObject(call, object), warnings);
}

/** Stores a new object, or only pretends to with `dryRun=All`; also the way in for an apply that finds nothing. */
export function createObject({ context, query, resource }: ResourceCall, object: KubeObject): KubeObject {
  const { store } = context;
  requireNamespace(store, resource, object);
  const wantsName = !object.metadata.name && Boolean(object.metadata.generateName);
  for (let attempt = 1; ; attempt++) {
    const candidate = structuredClone(object);
    prepareNew(resource, candidate);
    if (resource.plural === 'services') allocateClusterIP(store, candidate);
    const { namespace, name } = candidate.metadata;
    try {
      if (!isDryRun(query)) return store.create(resource.plural, candidate);
      if (store.get(resource.plural, namespace, name)) throw alreadyExists(resource, name);
      return candidate;
    } catch (error) {
      // A generated name that is taken is the server's bad luck, not the client's mistake.
      const taken = error instanceof StatusError && error.reason === 'AlreadyExists';
      if (!taken || !wantsName || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

export function respondCreated(call: ResourceCall, created: KubeObject, warnings: string[]): void {
  const representation = representationOf(call);
  const body = represent(call.resource, created, representation);
  sendJson(call.response, body, { code: 201, warnings, format: representation.format });
}

export function isDryRun(query: URLSearchParams): boolean {
  return query.get('dryRun') === 'All';
}
