import { badRequest } from '../status';
import { StatusError } from '../status-error';

/** Where the next page of a list begins. */
export interface Continue {
  /** Version of the list; -1 for a list that no longer cares. */
  rv: number;
  /** Key of the last object that was listed: `namespace/name`. */
  start: string;
}

const VERSION = 'meta.k8s.io/v1';

export function encodeContinue({ rv, start }: Continue): string {
  const text = JSON.stringify({ v: VERSION, rv, start: `${start}\u0000` });
  return Buffer.from(text).toString('base64url');
}

/** @throws StatusError 400 for what this server never gave out. */
export function decodeContinue(token: string): Continue {
  const bad = token.search(/[^A-Za-z0-9_-]/);
  if (bad >= 0) throw invalidToken(`illegal base64 data at input byte ${bad}`);
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (v !== VERSION || !Number.isInteger(rv) || typeof start !== 'string') throw new Error('incomplete');
    return { rv, start: start.split('\u0000')[0]! };
  } catch {
    throw invalidToken('invalid character in token');
  }
}

function invalidToken(why: string): StatusError {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`);
}

/** 410 with a token that goes on from the same place without the promise of one consistent list. */
export function expiredContinue({ start }: Continue): StatusError {
  const message =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
    'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
    'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
    'deleted between the time the first chunk was returned and now may show up in the list.';
  return new StatusError(410, 'Expired', message, { continue: encodeContinue({ rv: -1, start }) });
}
