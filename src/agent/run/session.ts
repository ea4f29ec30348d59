import type { Connection } from '../../protocol/connection';
import type { OpenSources } from '../files/file-source';
import { createHandlers, dispatch, type HandlerContext } from '../handlers';
import type { Incoming } from '../incoming/incoming';
import { SessionIncoming } from '../incoming/session-incoming';
import type { Log } from '../log';
import { Outgoing } from '../outgoing';

/** Streams at a time in one session. */
export const MAX_CONNECTIONS = 10_000;

export interface SessionContext extends Omit<HandlerContext, 'sources' | 'incoming'> {
  incoming: Incoming;
  /** Of all sessions. */
  outgoing: Set<Outgoing>;
}

/** Ties one client's session to what it may use, and lets go of everything when it ends. */
export function serveSession(connection: Connection, clientName: string, context: SessionContext, log: Log): void {
  const sources: OpenSources = new Set();
  const incoming = new SessionIncoming(context.incoming, connection, clientName);
  const handlers = createHandlers({ ...context, sources, incoming });
  const outgoing = new Outgoing(MAX_CONNECTIONS);
  context.outgoing.add(outgoing);
  connection.onCall(async (method, params, _raw, signal) => dispatch(handlers, method, params, signal));
  connection.onOpen((request) => outgoing.open(request));
  connection.onAttached((attached) => log.info(attached ? 'session resumed' : 'link lost, session parked'));
  connection.onClose((reason) => {
    log.info('session ended', { reason: reason?.message, connections: outgoing.size });
    incoming.release();
    outgoing.close();
    context.outgoing.delete(outgoing);
    for (const close of sources) close();
  });
}
