import { createContext, Script } from 'node:vm';
import { badParameters } from '../../failure';

/** A longer header than this is judged by its beginning. */
const MAX_TEXT = 4 * 1024;
const MAX_PATTERN = 4 * 1024;
/** One that takes longer goes back and forth over its text: it would hold up everybody's requests. */
const LIMIT_MS = 50;
/** Answers that are remembered, as the requests of a connection have most headers in common. */
const MAX_KNOWN = 512;

/**
 * A test that ignores case and cannot hold the agent up: a pattern with at most one repetition takes no more than a few
 * milliseconds, any other is tried under a time limit and does not match when that is over.
 */
export function guardedRegExp(pattern: string, at: string): (text: string) => boolean {
  if (pattern.length > MAX_PATTERN) throw badParameters(`${at} is longer than ${MAX_PATTERN} characters`);
  const regexp = compile(pattern, at);
  const repetitions = pattern.replace(/\\./g, '').match(/[*+]|\{\d*,?\d*\}/g)?.length ?? 0;
  if (repetitions <= 1) return (text) => regexp.test(text.slice(0, MAX_TEXT));
  const context = createContext({ regexp, text: '' });
  const script = new Script('regexp.test(text)');
  return remember((text) => {
    context.text = text;
    return script.runInContext(context, { timeout: LIMIT_MS }) === true;
  });
}

/** A time limit costs a tenth of a millisecond, several times what passing a request on does. */
function remember(test: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>();
  return (text) => {
    const key = text.slice(0, MAX_TEXT);
    const before = known.get(key);
    if (before !== undefined) return before;
    if (known.size >= MAX_KNOWN) known.clear();
    try {
      const found = test(key);
      known.set(key, found);
      return found;
    } catch {
      // Out of time, for which a busy machine may be the reason: not to be remembered.
      return false;
    }
  };
}

function compile(pattern: string, at: string): RegExp {
  // Written for the native tool's engine, where the flag stands in the pattern.
  const own = pattern.replace(/^\(\?i\)/, '');
  try {
    return new RegExp(own, 'i');
  } catch (error) {
    throw badParameters(`${at} is not a regular expression: ${(error as Error).message}`);
  }
}
