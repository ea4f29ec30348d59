import { hostname } from 'node:os';
import { readEnvironment } from '../environment';
import { detectFamilies, type Families } from '../families';
import type { TargetRoot } from '../files/walk';
import { holdProcess } from './held-process';
import type { ProcessFacts } from './process-facts';

/** What sessions work on: a container's main process, or the agent's own pod. */
export interface Target {
  /** 0 without a target. */
  readonly pid: number;
  readonly targeted: boolean;
  readonly root: TargetRoot;
  readonly hostname: string;
  families(): Families;
  environment(): Promise<Map<string, string>>;
  /** Lets go of the process when another one has taken its place. */
  close(): void;
}

/** How long the answer of `families` is kept: interfaces of a pod hardly ever change, lookups are many. */
const FAMILIES_AGE_MS = 5_000;

/**
 * The agent's process is in the target's network and UTS namespaces (or the pod is its own), so hostname and routes are
 * read as one's own. Files and variables go through /proc. Throws TARGET_GONE when the process has ended.
 */
export function openTarget(facts: ProcessFacts | undefined): Target {
  const held = facts && holdProcess(facts);
  let families: Families | undefined;
  let readAt = 0;
  return {
    pid: facts?.pid ?? 0,
    targeted: facts !== undefined,
    root: held?.root ?? { path: '/', innerPid: undefined },
    hostname: hostname(),
    families() {
      if (!families || performance.now() - readAt > FAMILIES_AGE_MS) {
        families = detectFamilies();
        readAt = performance.now();
      }
      return families;
    },
    environment: () => (held ? readEnvironment(held.environPath) : Promise.resolve(ownEnvironment())),
    close: () => held?.close(),
  };
}

/** Targetless: the pod's variables are the agent's, without those that configure the agent itself. */
function ownEnvironment(): Map<string, string> {
  const entries = Object.entries(process.env) as [string, string][];
  return new Map(entries.filter(([name]) => !name.startsWith('MIRRORD_AGENT_') && name !== 'UV_THREADPOOL_SIZE'));
}
