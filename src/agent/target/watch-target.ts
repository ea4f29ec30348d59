import { chooseInit, scanProcesses } from './find-target';
import { networkNamespace, type ProcessFacts, readProcess } from './process-facts';

export interface TargetWatch {
  containerId: string;
  target: ProcessFacts;
  /** How often to look, and how long to wait for a successor. Milliseconds. */
  intervalMs: number;
  successorMs: number;
  /** /proc except in tests. */
  procPath?: string;
  /** The container's main process was replaced, in the same network namespace. Throws when that one has ended too. */
  onSuccessor(target: ProcessFacts): void;
  /** It ended, and nobody came after it. */
  onGone(): void;
}

/**
 * Notices the end of the container's main process. Nothing in Node wakes up when a process ends that is not its child,
 * so it looks: reading two small files of procfs. Kubernetes gives a restarted container a new id, so a successor with
 * the same id is rare (an init that re-executes through a fork). Returns the stop function.
 */
export function watchTarget(watch: TargetWatch): () => void {
  const { procPath = '/proc' } = watch;
  let { target } = watch;
  const network = networkNamespace(target.pid, procPath);
  let goneAt: number | undefined;
  const timer = setInterval(() => {
    if (goneAt === undefined && readProcess(target.pid, procPath)?.startTime === target.startTime) return;
    goneAt ??= performance.now();
    const next = chooseInit(scanProcesses(watch.containerId, procPath));
    // In another network namespace our worker would be in the wrong place: that is a new agent's task.
    if (next && networkNamespace(next.pid, procPath) === network && accepts(watch, next)) {
      target = next;
      goneAt = undefined;
    } else if (performance.now() - goneAt >= watch.successorMs) {
      clearInterval(timer);
      watch.onGone();
    }
  }, watch.intervalMs);
  return () => clearInterval(timer);
}

/** A successor that has ended before it could be taken is none. */
function accepts(watch: TargetWatch, next: ProcessFacts): boolean {
  try {
    watch.onSuccessor(next);
    return true;
  } catch {
    return false;
  }
}
