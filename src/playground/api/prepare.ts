import { randomUUID } from 'node:crypto';
import { applyDefaults } from '../defaults/apply-defaults';
import { admitPod } from '../defaults/pod';
import { timestamp } from '../freeze';
import { generateName } from '../random-name';
import { apiVersionOf, type Resource, resourceByPlural } from '../resources';
import { badRequest, notFound } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject, Store } from '../types';
import { validateObject } from '../validate/object';
import { takeUnknownFields } from '../validate/unknown-fields';
import { DENY_CONFIG, parseDenyRules } from './authorize';

/** Fields of the metadata that only the server sets. */
const SERVER_FIELDS = [
  'uid',
  'creationTimestamp',
  'resourceVersion',
  'generation',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
  'selfLink',
] as const;

/** Fills in kind and version, which a client may leave out, and refuses others. Changes the object. */
export function checkKind(resource: Resource, object: Record<string, any>): asserts object is KubeObject {
  object.kind ||= resource.kind;
  object.apiVersion ||= apiVersionOf(resource);
  if (object.kind !== resource.kind) {
    const { kind, apiVersion } = object;
    const shortVersion = apiVersion.split('/').pop();
    const group = resource.group.split('.')[0] || 'core';
    throw badRequest(
      `${kind} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${resource.kind}: ` +
        `converting (${shortVersion}.${kind}) to (${group}.${resource.kind}): unknown conversion`,
    );
  }
  if (object.apiVersion !== apiVersionOf(resource)) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersionOf(resource)})`,
    );
  }
  if (object.metadata === undefined || object.metadata === null) object.metadata = {};
  if (typeof object.metadata !== 'object') throw badRequest('json: cannot unmarshal into Go struct field .metadata');
}

/** The namespace of the URL counts; the object's own may be left out but not differ. */
export function settleNamespace(resource: Resource, object: KubeObject, namespace: string | undefined): void {
  if (!resource.namespaced) {
    delete object.metadata.namespace;
    return;
  }
  object.metadata.namespace ||= namespace;
  if (object.metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

/** @throws StatusError 404 for a namespace that is not there, 403 for one on its way out. */
export function requireNamespace(store: Store, resource: Resource, object: KubeObject): void {
  if (!resource.namespaced) return;
  const { name, namespace = 'default' } = object.metadata;
  const found = store.get('namespaces', undefined, namespace);
  if (!found) throw notFound(resourceByPlural('namespaces')!, namespace);
  if (!found.metadata.deletionTimestamp) return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  throw new StatusError(403, 'Forbidden', `${resource.plural} "${name}" is forbidden: ${why}`, {
    name,
    kind: resource.plural,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}

/**
 * What `fieldValidation` asks for about fields the kind does not have. They are dropped in any case.
 *
 * @returns the warnings of `Warn`, which is the default.
 * @throws StatusError 400 for `Strict`.
 */
export function validateFields(resource: Resource, object: KubeObject, mode: string | null): string[] {
  const problems = takeUnknownFields(resource, object).map((field) => `unknown field ${JSON.stringify(field)}`);
  if (mode === 'Ignore') return [];
  if (mode !== 'Strict' || problems.length === 0) return problems;
  throw badRequest(
    `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ` +
      `strict decoding error: ${problems.join(', ')}`,
  );
}

/** Makes a new object ready for the store: server fields, name, defaults, validation. Changes the object. */
export function prepareNew(resource: Resource, object: KubeObject): void {
  const { metadata } = object;
  for (const field of SERVER_FIELDS) delete (metadata as any)[field];
  if (!metadata.name && metadata.generateName) metadata.name = generateName(metadata.generateName);
  if (resource.subresources.some(({ name }) => name === 'status')) delete object.status;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp();
  applyDefaults(resource, object, true);
  validateObject(resource, object);
  if (resource.plural === 'pods') admitPod(object);
  checkDenyRules(resource, object);
}

export function checkDenyRules({ plural }: Resource, { metadata, data }: KubeObject): void {
  if (plural !== 'configmaps' || data?.rules === undefined) return;
  if (metadata.name === DENY_CONFIG.name && metadata.namespace === DENY_CONFIG.namespace) parseDenyRules(data.rules);
}
