import { writeSync } from 'node:fs';
import type { Progress } from '../kube/types';
import type { ProgressMode } from './messages';

const STDERR = 2;
/** Milliseconds after which a step that goes on is worth a line; most are done before anybody could read one. */
const SLOW_STEP = 1_000;

/**
 * Progress as plain lines on descriptor 2. The worker's own `process.stderr` goes through the app's event loop, which is
 * blocked while the session starts.
 */
export function progressLines(mode: ProgressMode, write: (line: string) => void = writeStderr): Progress {
  const slow = new Map<string, NodeJS.Timeout>();
  return ({ type, step, text }) => {
    if (type === 'warn' && mode !== 'off') write(`mirrord: warning: ${text}\n`);
    if (mode !== 'lines' || type === 'warn') return;
    clearTimeout(slow.get(step));
    slow.delete(step);
    if (type === 'start') slow.set(step, setTimeout(() => write(`mirrord: ${text} …\n`), SLOW_STEP).unref());
    // A failure is told once, by the error that follows.
    else if (type !== 'fail') write(`mirrord: ${text}\n`);
  };
}

export function writeStderr(line: string): void {
  try {
    writeSync(STDERR, line);
  } catch {
    // Closed or full: the app's standard error is not ours to complain about.
  }
}
