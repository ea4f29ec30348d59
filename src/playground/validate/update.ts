import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../resources';
import { type Cause, invalid } from '../status';
import type { KubeObject } from '../types';

const POD_RULE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

const IMMUTABLE: Record<string, string[]> = {
  deployments: ['selector'],
  replicasets: ['selector'],
  daemonsets: ['selector'],
  statefulsets: ['selector', 'serviceName', 'podManagementPolicy'],
  jobs: ['selector', 'template', 'completions', 'completionMode'],
  services: ['clusterIP'],
};

/** @throws StatusError 422 when an update changes what may not change any more. */
export function validateUpdate(resource: Resource, object: KubeObject, previous: KubeObject): void {
  const causes = resource.plural === 'pods' ? podCauses(object, previous) : fieldCauses(resource, object, previous);
  if (causes.length > 0) throw invalid(resource, previous.metadata.name, causes);
}

function podCauses(object: KubeObject, previous: KubeObject): Cause[] {
  const before = fixedPart(previous.spec);
  const after = fixedPart(object.spec);
  if (isDeepStrictEqual(before, after)) return [];
  const changed = Object.keys({ ...before, ...after }).filter((key) => !isDeepStrictEqual(before[key], after[key]));
  // The real server prints a Go struct diff here; the changed fields in JSON are what a reader wants from it.
  const diff = changed.map(
    (key) => `-  ${key}: ${JSON.stringify(before[key])}\n+  ${key}: ${JSON.stringify(after[key])}\n`,
  );
  return [{ reason: 'FieldValueForbidden', message: `Forbidden: ${POD_RULE}\n${diff.join('')}`, field: 'spec' }];
}

function fixedPart(spec: any): Record<string, unknown> {
  const {
    tolerations: _t,
    activeDeadlineSeconds: _a,
    terminationGracePeriodSeconds: _g,
    nodeName: _n,
    ...rest
  } = spec ?? {};
  const withoutImage = (list: any[] | undefined) => list?.map(({ image: _image, ...container }) => container);
  // Ephemeral containers come through their own subresource.
  return {
    ...rest,
    containers: withoutImage(rest.containers),
    initContainers: withoutImage(rest.initContainers),
  };
}

function fieldCauses({ plural }: Resource, object: KubeObject, previous: KubeObject): Cause[] {
  return (IMMUTABLE[plural] ?? [])
    .filter((field) => !isDeepStrictEqual(object.spec?.[field], previous.spec?.[field]))
    .map((field) => ({
      reason: 'FieldValueInvalid' as const,
      message: `Invalid value: ${JSON.stringify(object.spec?.[field] ?? null)}: field is immutable`,
      field: `spec.${field}`,
    }));
}
