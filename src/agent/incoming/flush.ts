import { execFile } from 'node:child_process';
import type { Log } from '../log';

const LIMIT_MS = 5_000;

/**
 * Closes connections to a port of this network namespace that were there before its rules: both ends learn of it, and clients
 * that connect again are redirected. Redirected ones end at another port and stay. Never rejects.
 */
export function flushConnections(port: number, log: Log): Promise<void> {
  return new Promise((resolve) => {
    execFile(
      'ss',
      ['-K', '-H', '-t', 'state', 'established', `sport = :${port}`],
      { timeout: LIMIT_MS },
      (error, out) => {
        if (error)
          log.warn('connections from before could not be closed', { port, reason: error.message.slice(0, 200) });
        else log.info('connections from before were closed', { port, count: out.split('\n').filter(Boolean).length });
        resolve();
      },
    );
  });
}
