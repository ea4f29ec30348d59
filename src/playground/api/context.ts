import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Resource } from '../resources';
import type { NodeStreams, Store } from '../types';
import type { WatchLog } from '../watch-log';
import type { Authorizer } from './authorize';
import type { RequestInfo } from './request-info';

/** What the server's parts share for its whole life. */
export interface ApiContext {
  store: Store;
  log: WatchLog;
  authorizer: Authorizer;
  streams: NodeStreams;
  gitVersion: string;
}

/** One request for a resource, after routing and authorization. */
export interface ResourceCall {
  context: ApiContext;
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  info: RequestInfo;
  resource: Resource;
  /** Path below the host, without the query. */
  pathname: string;
}
