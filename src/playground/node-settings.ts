import type { DenyRule } from './api/authorize';

/** What the launcher tells the node, as one JSON argument. Nothing in it is secret. */
export interface NodeSettings {
  /** Port on the host's 127.0.0.1 that the inherited socket listens on. */
  port: number;
  /** Path of the built agent. */
  agentBundle: string;
  deny?: DenyRule[];
  /** False: pods get IPv4 only, even if the kernel has both. */
  ipv6?: boolean;
}
