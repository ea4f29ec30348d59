import { writeSync } from 'node:fs';
import type { Progress } from '../kube/types';

const STDERR = 2;

/**
 * Progress as plain lines on descriptor 2. The worker's own `process.stderr` goes through the app's event loop, which is
 * blocked while the session starts.
 */
export function progressLines(write: (line: string) => void = writeStderr): Progress {
  return ({ type, text }) => write(`mirrord: ${type === 'warn' ? 'warning: ' : ''}${text}\n`);
}

function writeStderr(line: string): void {
  try {
    writeSync(STDERR, line);
  } catch {
    // Closed or full: the app's standard error is not ours to complain about.
  }
}
