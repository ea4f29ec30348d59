import { isTool } from './tool';

export type DormantReason =
  /** MIRRORD_DISABLE=1, which our own worker has as well. */
  | 'disabled'
  /** A thread of Node's own, for module hooks. */
  | 'internal-thread'
  /** A thread of an app whose main thread has no session. */
  | 'thread-without-session'
  /** A package manager or build tool. */
  | 'tool'
  /** This thread has a session already. */
  | 'active';

export interface ProcessFacts {
  env: NodeJS.ProcessEnv;
  /** `process.argv[1]`. */
  script: string | undefined;
  isMainThread: boolean;
  /** Whether the thread was made by Node for itself. */
  isInternalThread: boolean;
  isActive: boolean;
  /** Whether this is a thread of a process that is dormant as a tool. */
  isToolThread: boolean;
}

/** Why the preload does nothing in this process or thread; undefined = it starts or joins a session. */
export function whyDormant(facts: ProcessFacts): DormantReason | undefined {
  if (isOn(facts.env.MIRRORD_DISABLE)) return 'disabled';
  if (facts.isInternalThread) return 'internal-thread';
  if (facts.isActive) return 'active';
  // Whatever session stands in the environment is for the programs it starts.
  if (facts.isToolThread) return 'tool';
  if (!facts.isMainThread) return facts.env.MIRRORD_SESSION ? undefined : 'thread-without-session';
  return isTool(facts.script) ? 'tool' : undefined;
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false'].includes(value.toLowerCase());
}
