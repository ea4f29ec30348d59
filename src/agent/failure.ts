import type { WireError } from '../protocol/contract';
import { WireFailure } from '../protocol/session-types';

/** An error a call ends with. The fields stand on it as on Node's own errors, for the wire and for `catch` alike. */
export function failure(wire: WireError): WireFailure {
  return Object.assign(new WireFailure(wire), wire.message === undefined ? { ...wire, message: wire.code } : wire);
}

/** A call with parameters that the contract does not allow. */
export function badParameters(text: string): WireFailure {
  return failure({ code: 'BAD_PARAMETERS', message: text });
}
