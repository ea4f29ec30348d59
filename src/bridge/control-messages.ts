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
  /** Token of the agent to be connected with. Default, and where it is not known any more: the one the session is at. */
  agent?: string;
  /** No transport is wanted: an answer for each change of the agents. */
  watch?: true;
}

/** First line of the owner; each line where agents are watched. */
export interface ControlAnswer {
  /** All the attached process needs when the owner is gone. */
  handoff: AgentHandoff;
  /** Agents of the other pods of the target. */
  others?: AgentHandoff[];
  facts: SessionFacts;
}
