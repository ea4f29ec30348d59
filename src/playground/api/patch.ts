import { APPLY, parsePatch } from '../patch/apply-patch';
import { badRequest } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';
import { mediaType, readBody } from './body';
import type { ResourceCall } from './context';
import { createObject, respondCreated } from './create';
import { checkKind, settleNamespace, validateFields } from './prepare';
import { respondUpdated, writeObject } from './update';

/** PATCH of an object, its status or its ephemeral containers; an apply creates what is not there. */
export async function handlePatch(call: ResourceCall): Promise<void> {
  const { context, request, query, info, resource } = call;
  const type = mediaType(request);
  const { patch, value } = parsePatch(type, await readBody(request));
  const fieldValidation = query.get('fieldValidation');
  if (type === APPLY) {
    const applied = checkApply(call, value);
    const warnings = validateFields(resource, applied, fieldValidation);
    if (!info.subresource && !context.store.get(resource.plural, info.namespace, info.name!)) {
      respondCreated(call, createObject(call, applied), warnings);
      return;
    }
  }
  let warnings: string[] = [];
  const updated = writeObject(call, (current) => {
    const next = patch(current);
    warnings = validateFields(resource, next, fieldValidation);
    return next;
  });
  respondUpdated(call, updated, warnings);
}

function checkApply({ query, info, resource }: ResourceCall, value: unknown): KubeObject {
  if (!query.get('fieldManager')) {
    const why = 'Required value: is required for apply patch';
    throw new StatusError(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: fieldManager: ${why}`, {
      group: 'meta.k8s.io',
      kind: 'PatchOptions',
      causes: [{ reason: 'FieldValueRequired', message: why, field: 'fieldManager' }],
    });
  }
  const object = structuredClone(value) as Record<string, any>;
  if (!object.kind || !object.apiVersion) throw badRequest('apply patch must contain apiVersion and kind');
  checkKind(resource, object);
  settleNamespace(resource, object, info.namespace);
  object.metadata.name ||= info.name!;
  if (object.metadata.name !== info.name) {
    throw badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${info.name})`,
    );
  }
  return object;
}
