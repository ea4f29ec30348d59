import { applyDefaults } from '../defaults/apply-defaults';
import { thaw } from '../freeze';
import { badRequest, conflict, notFound } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';
import { validateObject } from '../validate/object';
import { validateUpdate } from '../validate/update';
import { mediaType, parseObject, readBody } from './body';
import type { ResourceCall } from './context';
import { isDryRun } from './create';
import { mergeEphemeralContainers } from './ephemeral-containers';
import { representationOf } from './list';
import { checkDenyRules, checkKind, settleNamespace, validateFields } from './prepare';
import { represent } from './represent';
import { sendJson } from './respond';

/** PUT of an object or of its status. */
export async function handleUpdate(call: ResourceCall): Promise<void> {
  const { request, query, info, resource } = call;
  const object = parseObject(await readBody(request), mediaType(request), resource.kind);
  checkKind(resource, object);
  settleNamespace(resource, object, info.namespace);
  object.metadata.name ||= info.name!;
  const warnings = validateFields(resource, object, query.get('fieldValidation'));
  respondUpdated(
    call,
    writeObject(call, () => object),
    warnings,
  );
}

/**
 * Replaces an object by what `change` makes of it. Everything is checked inside the store's own step, so nothing can come
 * between reading and writing.
 *
 * @throws StatusError 404, 409 for an older resourceVersion, 422 for what may not change.
 */
export function writeObject(call: ResourceCall, change: (current: KubeObject) => KubeObject): KubeObject {
  const { context, query, info, resource } = call;
  const name = info.name!;
  const current = context.store.get(resource.plural, info.namespace, name);
  if (!current) throw notFound(resource, name);
  const replace = (target: KubeObject): void => {
    const next = settle(call, change(thaw(current)), current);
    for (const field of Object.keys(target)) delete target[field];
    Object.assign(target, next);
  };
  if (isDryRun(query)) {
    const draft = thaw(current);
    replace(draft);
    return draft;
  }
  return context.store.mutate(resource.plural, info.namespace, name, replace)!;
}

function settle({ info, resource }: ResourceCall, wanted: KubeObject, current: KubeObject): KubeObject {
  const { name, uid, resourceVersion } = wanted.metadata;
  if (name !== current.metadata.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${info.name})`);
  }
  if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw conflict(resource, name);
  if (uid && uid !== current.metadata.uid) throw uidConflict(name, uid, current.metadata.uid);

  const next = thaw(wanted);
  next.apiVersion = current.apiVersion;
  next.kind = current.kind;
  keepServerFields(next, current);
  const hasStatus = resource.subresources.some((subresource) => subresource.name === 'status');
  if (info.subresource === 'status') return { ...thaw(current), status: next.status };
  if (info.subresource === 'ephemeralcontainers') return mergeEphemeralContainers(resource, next, current);
  if (hasStatus) restore(next, 'status', current.status);
  if (next.spec && resource.plural === 'services') {
    next.spec.clusterIP ||= current.spec?.clusterIP;
    next.spec.clusterIPs ??= current.spec?.clusterIPs;
  }
  applyDefaults(resource, next, false);
  validateObject(resource, next);
  validateUpdate(resource, next, current);
  checkDenyRules(resource, next);
  return next;
}

function keepServerFields(next: KubeObject, { metadata }: KubeObject): void {
  for (const field of [
    'namespace',
    'uid',
    'creationTimestamp',
    'generation',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generateName',
  ]) {
    restore(next.metadata, field, metadata[field]);
  }
  delete next.metadata.managedFields;
}

function restore(target: Record<string, any>, field: string, value: unknown): void {
  if (value === undefined) delete target[field];
  else target[field] = value;
}

function uidConflict(name: string, wanted: string, actual: string): StatusError {
  const why = `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${actual}`;
  return new StatusError(409, 'Conflict', `Operation cannot be fulfilled on "${name}": ${why}`, { name });
}

export function respondUpdated(call: ResourceCall, updated: KubeObject, warnings: string[] = []): void {
  const representation = representationOf(call);
  const body = represent(call.resource, updated, representation);
  sendJson(call.response, body, { warnings, format: representation.format });
}
