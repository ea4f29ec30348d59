import net from 'node:net';
import type { Undo } from '../patch';

/** Milliseconds an address of one family has before Node tries the other. */
export const ATTEMPT_TIMEOUT_MS = 5000;

const FLAG = '--network-family-autoselection-attempt-timeout';

/**
 * Node gives each address of a name with both families 250 ms (500 in later versions) and then closes it for the next. A
 * connect through a tunnel may take longer and be healthy, so the default is raised. Whoever set it keeps their value.
 */
export function raiseAttemptTimeout(): Undo {
  const before = net.getDefaultAutoSelectFamilyAttemptTimeout();
  const chosen = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) => option.includes(FLAG));
  if (chosen || before >= ATTEMPT_TIMEOUT_MS) return () => {};
  net.setDefaultAutoSelectFamilyAttemptTimeout(ATTEMPT_TIMEOUT_MS);
  return () => {
    if (net.getDefaultAutoSelectFamilyAttemptTimeout() === ATTEMPT_TIMEOUT_MS) {
      net.setDefaultAutoSelectFamilyAttemptTimeout(before);
    }
  };
}
