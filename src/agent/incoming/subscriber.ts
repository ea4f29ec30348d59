import type { Socket } from 'node:net';
import type { IncomingConnection, IncomingSubscription } from '../../protocol/contract';
import type { MuxStream } from '../../protocol/session-types';
import type { RequestMatcher } from './filter/compile';

/** What the incoming side needs of a client's session. */
export interface Subscribing {
  /** As the client calls itself. */
  readonly name: string;
  /** Its link is lost: what is new goes to the pod. */
  readonly parked: boolean;
  open(metadata: IncomingConnection, signal: AbortSignal): Promise<MuxStream>;
  /** The client writes to that connection of a caller, who has to have read it in time when the session ends. */
  answers(caller: Socket): void;
  /** Tells the client that the agent gave the subscription up. */
  ended(subscription: number, reason: string): void;
}

/** One subscription: who takes which traffic of a port. */
export interface Subscriber {
  readonly id: number;
  readonly session: Subscribing;
  readonly params: IncomingSubscription;
  /** Absent: everything. */
  readonly matches: RequestMatcher | undefined;
  readonly since: Date;
}

/** `alice (app.js) since 14:03:11 UTC`: what another developer needs to find whom to ask. */
export function describe({ params, session, since }: Subscriber): string {
  return `${params.owner} (${session.name}) since ${since.toISOString()}`;
}
