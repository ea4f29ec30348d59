import type { Connection } from '../../protocol/connection';
import type { OpenSources } from '../files/file-source';
import { createHandlers, dispatch, type HandlerContext } from '../handlers';
import type { Log } from '../log';
import { Outgoing } from '../outgoing';

/** Streams at a time in one session. */
export const MAX_CONNECTIONS = 10_000;

/** Ties one client's session to what it may use, and lets go of everything when it ends. */
export function serveSession(connection: Connection, context: Omit<HandlerContext, 'sources'>, log: Log): void {
  const sources: OpenSources = new Set();
  const handlers = createHandlers({ ...context, sources });
  const outgoing = new Outgoing(MAX_CONNECTIONS);
  connection.onCall(async (method, params, _raw, signal) => dispatch(handlers, method, params, signal));
  connection.onOpen((request) => outgoing.open(request));
  connection.onAttached((attached) => log.info(attached ? 'session resumed' : 'link lost, session parked'));
  connection.onClose((reason) => {
    log.info('session ended', { reason: reason?.message, connections: outgoing.size });
    outgoing.close();
    for (const close of sources) close();
  });
}
