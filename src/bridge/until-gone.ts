import { isMirrordError } from '../errors';
import { SessionError } from '../protocol/session-error';
import type { Dial } from '../tunnel/transport';

/**
 * A dial that tells the link when there is nothing to dial any more: it would try for the whole grace time otherwise.
 *
 * @param isOver whether the agent has ended although its pod can still be named, as that of a finished Job. Asked beside every
 * dial but the first: a port-forward to it opens and breaks like one whose network is bad
 */
export function untilGone(dial: Dial, isOver: () => Promise<boolean>): Dial {
  let isFirst = true;
  let asking = false;
  let over = false;
  const ask = async () => {
    asking = true;
    over ||= await isOver().catch(() => false);
    asking = false;
  };
  return async (signal) => {
    if (over) throw new SessionError('AGENT_GONE', 'the agent has ended');
    if (!isFirst && !asking) void ask();
    isFirst = false;
    try {
      return await dial(signal);
    } catch (error) {
      if (isMirrordError(error) && error.code === 'AGENT_GONE') throw new SessionError(error.code, error.message);
      throw error;
    }
  };
}
