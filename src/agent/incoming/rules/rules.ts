/** One listener takes what was sent to one port of one address, so that both are known when a connection arrives. */
export interface Redirect {
  port: number;
  /** An address of the pod; `loopback` stands for all of 127.0.0.0/8 or ::1. */
  address: string | 'loopback';
  family: 4 | 6;
  listener: number;
}

/** Who is never redirected: the agent's own connections to the pod's application. */
export interface Exemption {
  /** Source address of those connections over IPv4. */
  address: string;
  /** Group of the agent's processes, where the node has one for them alone. */
  group: number | undefined;
}

export interface HolderOptions {
  /** Tells this holder's rules from those of others. */
  id: string;
  exemption: Exemption;
  /** The redirects went away by themselves. Connections that were redirected go on, and `replace` makes new ones. */
  onLost: (reason: string) => void;
}

/** Keeps redirect rules in the network namespace of this process; they are gone when it dies. One call at a time. */
export interface RuleHolder {
  /** All rules from now on, in one step. Connections that were redirected before stay so. Rejects with a MirrordError. */
  replace(redirects: Redirect[]): Promise<void>;
  /** Takes everything away, which cuts connections that are still redirected. Resolves when it is gone, or can be left to the kernel. */
  close(): Promise<void>;
}

/** Only a first packet: any other one of a connection from before the rule would be taken away from the application. */
export const FIRST_PACKET = 'tcp flags & (fin|syn|rst|ack) == syn';
