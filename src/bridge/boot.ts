import type { Progress } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { ReadyData } from './messages';
import type { StartFiles } from './start-files';

/** What a start gives the worker, whichever role it has. */
export interface Booted {
  link: AgentLink;
  ready: Omit<ReadyData, 'relayPort'>;
  /** Releases what was made beside the link, at the limit at the latest. */
  close(limitMs: number): Promise<void>;
}

export interface BootContext {
  env: NodeJS.ProcessEnv;
  cwd: string;
  progress: Progress;
  signal: AbortSignal;
  /** What the app's thread has read, where it was to read it. */
  files?: Promise<StartFiles | undefined>;
  /** The configuration is known: milliseconds the start may take, and what to do when it fails. */
  onConfig(known: { startLimitMs: number; onFailure: 'exit' | 'continue' }): void;
}

/** Starts a session. Rejects with MirrordError and leaves nothing behind then. */
export type Boot = (context: BootContext) => Promise<Booted>;
