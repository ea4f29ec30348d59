import { isDeepStrictEqual } from 'node:util';
import { defaultPodSpec } from '../defaults/pod';
import { thaw } from '../freeze';
import type { Resource } from '../resources';
import { type Cause, invalid } from '../status';
import type { KubeObject } from '../types';
import { validatePodSpec } from '../validate/pod-spec';

/**
 * The pod with the ephemeral containers of `next`, and nothing else of it: that is all this subresource changes.
 *
 * @throws StatusError 422 when one that is there is changed or left out, and for a bad one.
 */
export function mergeEphemeralContainers(resource: Resource, next: KubeObject, current: KubeObject): KubeObject {
  const result = thaw(current);
  const wanted: any[] = next.spec?.ephemeralContainers ?? [];
  result.spec.ephemeralContainers = wanted;
  defaultPodSpec(result.spec);
  const existing: any[] = current.spec.ephemeralContainers ?? [];
  const causes = [...validatePodSpec(result.spec, 'spec'), ...changedCauses(existing, wanted)];
  if (causes.length > 0) throw invalid(resource, current.metadata.name, causes);
  return result;
}

function changedCauses(existing: any[], wanted: any[]): Cause[] {
  return existing.flatMap((container): Cause[] => {
    const kept = wanted.find(({ name }) => name === container.name);
    if (kept && isDeepStrictEqual(kept, container)) return [];
    const what = kept ? 'changed' : 'removed';
    const message = `Forbidden: existing ephemeral containers "${container.name}" may not be ${what}\n`;
    return [{ reason: 'FieldValueForbidden', message, field: 'spec.ephemeralContainers' }];
  });
}
