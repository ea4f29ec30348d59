import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiContext } from './context';
import {
  AGGREGATED_TYPE,
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  wantsAggregated,
} from './discovery';
import { openApiDocument, openApiIndex } from './openapi';
import { sendJson, sendText } from './respond';

const HEALTH = /^\/(healthz|livez|readyz)(\/ping)?$/;

/** Serves health, version, discovery and OpenAPI. False when the path is about resources, or unknown. */
export function serveNonResource(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  const path = url.pathname.replace(/(.)\/$/, '$1');
  const health = HEALTH.exec(path);
  if (health) {
    const verbose = url.searchParams.has('verbose') ? `[+]ping ok\n[+]store ok\n${health[1]} check passed\n` : 'ok';
    sendText(response, 200, verbose);
    return true;
  }
  const isCore = path === '/api';
  if ((isCore || path === '/apis') && wantsAggregated(request.headers.accept)) {
    sendJson(response, aggregatedDiscovery(isCore), { contentType: AGGREGATED_TYPE });
    return true;
  }
  const body = documentAt(context, request, path);
  if (body === undefined) return false;
  sendJson(response, body);
  return true;
}

function documentAt(context: ApiContext, request: IncomingMessage, path: string): unknown {
  if (path === '/version') return versionOf(context.gitVersion);
  if (path === '/api') return apiVersions(request.headers.host ?? '127.0.0.1');
  if (path === '/apis') return apiGroupList();
  if (path === '/openapi/v3') return openApiIndex();
  if (path.startsWith('/openapi/v3/')) return openApiDocument(path.slice('/openapi/v3/'.length), context.gitVersion);
  const [, root, first, second, ...rest] = path.split('/');
  if (rest.length > 0) return undefined;
  if (root === 'api' && first && !second) return apiResourceList('', first);
  if (root === 'apis' && first) return second ? apiResourceList(first, second) : apiGroup(first);
  return undefined;
}

function versionOf(gitVersion: string): unknown {
  const [, major = '1', minor = '32'] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return {
    major,
    minor,
    gitVersion,
    gitCommit: '0000000000000000000000000000000000000000',
    gitTreeState: 'clean',
    buildDate: '2025-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'none',
    platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
