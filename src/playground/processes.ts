import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Process ids the node sees. */
export function listProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

export function mountNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

/**
 * Kills what a container left behind. A container without a process namespace of its own does not take its children along; they are
 * found by the mount namespace they share, as a runtime finds them by the cgroup.
 */
export function killSurvivors(mountNamespace: string): void {
  for (const pid of listProcesses()) if (mountNamespaceOf(pid) === mountNamespace) signal(pid, 'SIGKILL');
}
