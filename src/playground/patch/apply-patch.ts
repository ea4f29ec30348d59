import { load } from 'js-yaml';
import { badRequest } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';
import { applyJsonPatch } from './json-patch';
import { isObject, mergePatch } from './merge';
import { strategicMerge } from './strategic-merge';

export const APPLY = 'application/apply-patch+yaml';

type Apply = (object: Record<string, unknown>, patch: any) => unknown;

const BY_MEDIA_TYPE: Record<string, Apply> = {
  'application/json-patch+json': applyJsonPatch,
  'application/merge-patch+json': mergePatch,
  'application/strategic-merge-patch+json': strategicMerge,
  // Who owns which field is not tracked: applying merges, keyed lists by key, and never takes a field away.
  [APPLY]: strategicMerge,
};

export type Patch = (object: KubeObject) => KubeObject;

/**
 * Reads a patch body once; the result can be applied any number of times.
 *
 * @throws StatusError 415 for a media type that is no patch, 400 for a body that cannot be read.
 */
export function parsePatch(mediaType: string, body: Buffer): { patch: Patch; value: unknown } {
  const apply = Object.hasOwn(BY_MEDIA_TYPE, mediaType) ? BY_MEDIA_TYPE[mediaType] : undefined;
  if (!apply) throw new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  let value: unknown;
  try {
    const text = body.toString('utf8');
    value = mediaType === APPLY ? load(text) : JSON.parse(text);
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`);
  }
  if (mediaType !== 'application/json-patch+json' && !isObject(value)) {
    throw badRequest('json: cannot unmarshal into Go value of type map[string]interface {}');
  }
  const patch: Patch = (object) => {
    const result = apply(object as Record<string, unknown>, value);
    if (!isObject(result) || !isObject(result.metadata)) throw badRequest('the patched object has no metadata');
    return result as KubeObject;
  };
  return { patch, value };
}
