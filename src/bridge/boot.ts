import type { Progress } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { LinkSet } from './agents/link-set';
import type { ReadyData } from './messages';

/** What a start gives the worker, whichever role it has. */
export interface Booted {
  link: AgentLink;
  /** The agents behind the link, for what concerns each of them; an owner has it. */
  links?: LinkSet | undefined;
  ready: Omit<ReadyData, 'relayPort'>;
  /** Releases what was made beside the link, at the limit at the latest. */
  close(limitMs: number): Promise<void>;
}

export interface BootContext {
  env: NodeJS.ProcessEnv;
  cwd: string;
  progress: Progress;
  signal: AbortSignal;
  /** The configuration is known: milliseconds the start may take, and what to do when it fails. */
  onConfig(known: { startLimitMs: number; onFailure: 'exit' | 'continue' }): void;
}

/** Starts a session. Rejects with MirrordError and leaves nothing behind then. */
export type Boot = (context: BootContext) => Promise<Booted>;
