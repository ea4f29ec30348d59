import { setTimeout as sleep } from 'node:timers/promises';
import { isMirrordError, MirrordError } from '../errors';
import type { AgentHandle } from './types';

/** Milliseconds between tries: a container that runs listens some tens of milliseconds later. */
const INTERVAL = 20;

/** What a port-forward to a port where nothing listens yet ends in, told by the transport or by the link above it. */
const NOT_YET = new Set([
  'PORT_FORWARD_REFUSED',
  'PORT_FORWARD_FAILED',
  'PORT_FORWARD_LOST',
  'LINK_LOST',
  'LINK_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
]);

/**
 * Makes the first connection to an agent that has just been started: repeats `attempt` while it fails as if nothing listened
 * yet, until the start-up time is over. Ends early, with the reason, when the agent's pod fails meanwhile.
 *
 * @param attempt dials and greets; only an agent that answers proves that it serves, an open port-forward does not
 * @throws what the last attempt threw, or MirrordError AGENT_FAILED, AGENT_START_TIMEOUT
 */
export async function retryWhileStarting<T>(handle: AgentHandle, attempt: () => Promise<T>): Promise<T> {
  const { startup } = handle;
  let last: unknown;
  const failed = startup.failed.catch((error) => {
    throw withLastTry(error, last);
  });
  failed.catch(() => {});
  try {
    for (;;) {
      try {
        return await Promise.race([attempt(), failed]);
      } catch (error) {
        if (!isNotYet(error)) throw error;
        last = error;
      }
      await Promise.race([sleep(INTERVAL), failed]);
    }
  } finally {
    startup.finish();
  }
}

/** An agent whose container runs may be all right, and the way to it not. */
function withLastTry(error: unknown, last: unknown): unknown {
  if (!isMirrordError(error) || error.code !== 'AGENT_START_TIMEOUT' || last === undefined) return error;
  const { message } = last as Error;
  return new MirrordError(error.code, `${error.message}\n  last try to connect: ${message}`, {
    hint: error.hint,
    details: error.details,
    cause: last,
  });
}

function isNotYet(error: unknown, depth = 0): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string' && NOT_YET.has(code)) return true;
  return cause !== undefined && depth < 4 && isNotYet(cause, depth + 1);
}
