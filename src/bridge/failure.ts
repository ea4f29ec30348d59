import { deserializeError, isMirrordError, type SerializedError, serializeError } from '../errors';
import type { WireError } from '../protocol/contract';
import { WireFailure } from '../protocol/session-types';

/** An error as it crosses from the worker to the app's thread: it comes out as the class it went in as. */
export type PlainFailure = { wire: WireError } | { own: SerializedError };

export function packFailure(error: unknown): PlainFailure {
  if (error instanceof WireFailure) return { wire: error.wire };
  // A stack of the worker's internals says nothing to the app, and details of foreign errors may not be clonable.
  if (!isMirrordError(error)) return { own: { ...serializeError(error), details: undefined } };
  return { own: serializeError(error) };
}

export function unpackFailure(failure: PlainFailure): Error {
  return 'wire' in failure ? new WireFailure(failure.wire) : deserializeError(failure.own);
}
