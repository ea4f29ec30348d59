import fastJsonPatch from 'fast-json-patch';
import { badRequest } from '../status';
import { StatusError } from '../status-error';

const MAX_OPERATIONS = 10_000;

/**
 * RFC 6902, on a copy.
 *
 * @throws StatusError 400 for what is no patch, 422 for one that does not apply (a failed `test` too).
 */
export function applyJsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations))
    throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (operations.length > MAX_OPERATIONS) {
    const message = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${operations.length}`;
    throw new StatusError(413, 'RequestEntityTooLarge', message);
  }
  try {
    return fastJsonPatch.applyPatch(structuredClone(target), operations, true, true, true).newDocument;
  } catch {
    // The real server keeps the reason to itself as well.
    throw new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
  }
}
