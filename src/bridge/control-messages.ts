import type { AgentHandoff } from '../kube/types';
import type { SessionFacts } from './messages';

/** First line of an attaching process. The rest of the connection belongs to its link with the agent. */
export interface ControlGreeting {
  version: 1;
  secret: string;
  /** Process id: when that process is killed, the owner says goodbye to the agent for it. */
  pid: number;
  /** Who attaches within that process, the same each time: a thread may be ended while its process lives. */
  name: string;
}

/** First line of the owner. */
export interface ControlAnswer {
  /** All the attached process needs when the owner is gone. */
  handoff: AgentHandoff;
  facts: SessionFacts;
}
