import { chooseInit, scanProcesses } from './find-target';
import { networkNamespace, type ProcessFacts, readProcess } from './process-facts';

export interface TargetWatch {
  containerId: string;
  target: ProcessFacts;
  /** How often to look, and how long to wait for a successor. Milliseconds. */
  intervalMs: number;
  successorMs: number;
  /** The container's main process was replaced, in the same network namespace. */
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
  let { target } = watch;
  const network = networkNamespace(target.pid);
  let goneAt: number | undefined;
  const timer = setInterval(() => {
    if (goneAt === undefined && readProcess(target.pid)?.startTime === target.startTime) return;
    goneAt ??= performance.now();
    const next = chooseInit(scanProcesses(watch.containerId));
    // In another network namespace our worker would be in the wrong place: that is a new agent's task.
    if (next && networkNamespace(next.pid) === network) {
      target = next;
      goneAt = undefined;
      watch.onSuccessor(next);
    } else if (performance.now() - goneAt >= watch.successorMs) {
      clearInterval(timer);
      watch.onGone();
    }
  }, watch.intervalMs);
  return () => clearInterval(timer);
}
