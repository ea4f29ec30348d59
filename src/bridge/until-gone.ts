import { isMirrordError } from '../errors';
import { SessionError } from '../protocol/session-error';
import type { Dial } from '../tunnel/transport';

/** A dial that tells the link when there is nothing to dial any more: it would try for the whole grace time otherwise. */
export function untilGone(dial: Dial): Dial {
  return async (signal) => {
    try {
      return await dial(signal);
    } catch (error) {
      if (isMirrordError(error) && error.code === 'AGENT_GONE') throw new SessionError(error.code, error.message);
      throw error;
    }
  };
}
