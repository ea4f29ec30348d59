import { MirrordError } from '../errors';
import { GoawayCode } from './goaway';
import { VERSION_HINT } from './version';

const CODES: Record<number, { code: string; text: string; hint?: string }> = {
  [GoawayCode.PROTOCOL]: {
    code: 'PROTOCOL_ERROR',
    text: 'the other end says that the protocol was broken',
    hint: 'This is a defect. Please report it together with the versions of both ends.',
  },
  [GoawayCode.UNAUTHORIZED]: {
    code: 'AGENT_UNAUTHORIZED',
    text: 'the agent does not accept the token',
    hint: 'The agent was probably started anew. Start the session again.',
  },
  [GoawayCode.SHUTDOWN]: { code: 'LINK_LOST', text: 'the agent has ended', hint: 'Start the session again.' },
  [GoawayCode.UNKNOWN_SESSION]: {
    code: 'LINK_LOST',
    text: 'the agent does not know the session any more',
    hint: 'The link was down for longer than the grace time, or the agent was started anew. Start the session again.',
  },
  [GoawayCode.VERSION]: {
    code: 'PROTOCOL_MISMATCH',
    text: 'this mirrord and the agent share no version of the protocol',
    hint: VERSION_HINT,
  },
  [GoawayCode.BUSY]: {
    code: 'AGENT_BUSY',
    text: 'the agent has no room for a further session',
    hint: 'End sessions that are not used any more.',
  },
  [GoawayCode.IDS_USED]: {
    code: 'LINK_LOST',
    text: 'the session has used all its stream ids',
    hint: 'A new session is made; what is asked for from now on goes there.',
  },
};

/** Why a session ended: from a GOAWAY code, or with a code and text of one's own. */
export class SessionError extends MirrordError {
  constructor(cause: number | string, text: string, details?: Record<string, unknown>, hint?: string) {
    const known = typeof cause === 'number' ? (CODES[cause] ?? CODES[GoawayCode.SHUTDOWN]!) : undefined;
    const code = known?.code ?? String(cause);
    const message = known ? `${known.text}${text ? `: ${text}` : ''}` : text;
    super(code, message, { hint: known?.hint ?? hint, details });
  }
}
