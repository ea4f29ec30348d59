import { closeSync, constants, openSync } from 'node:fs';
import { MirrordError } from '../../errors';
import type { TargetRoot } from '../files/walk';
import { type ProcessFacts, readProcess } from './process-facts';

/** A process by its folder in procfs, held open. */
export interface HeldProcess {
  root: TargetRoot;
  environPath: string;
  /** Its network namespace, as any process of the node may open it. */
  networkPath: string;
  close(): void;
}

/**
 * Paths that mean this very process for as long as it lives and nothing afterwards. Through its number they would mean
 * whoever gets that number next, and with it the files of another container. It does not keep the container's mounts.
 *
 * Throws TARGET_GONE when the number already belongs to another process.
 */
export function holdProcess({ pid, startTime, innerPid }: ProcessFacts): HeldProcess {
  const gone = () =>
    new MirrordError('TARGET_GONE', `process ${pid}, the main process of the target container, has ended`, {
      hint: 'A restarted container has a new id: start a new agent for it.',
    });
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    throw gone();
  }
  if (readProcess(pid)?.startTime !== startTime) {
    closeSync(fd);
    throw gone();
  }
  const folder = `/proc/self/fd/${fd}`;
  return {
    root: { path: `${folder}/root`, innerPid },
    environPath: `${folder}/environ`,
    networkPath: `/proc/${process.pid}/fd/${fd}/ns/net`,
    close: () => closeSync(fd),
  };
}
