import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { MirrordError } from '../errors';
import { VERSION } from '../version';
import { apiError, networkError, type Operation, parseFailure } from './api-errors';
import type { Cluster } from './cluster';

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** From `/api` or `/apis` on. */
  path: string;
  query?: Record<string, string>;
  body?: unknown;
  /** Of the body; JSON by default. */
  contentType?: string;
  /** For messages and RBAC hints. */
  operation: Operation;
  /** Milliseconds for each try: until the headers, and until the end of the body. Default 15,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface Answer {
  statusCode: number;
  headers: IncomingMessage['headers'];
  body: any;
}

const TIMEOUT = 15_000;
const TRIES = 4;
/** Seconds: a server that asks for more is not waited for. */
const MAX_RETRY_AFTER = 10;
const MAX_BODY = 64 * 1024 * 1024;

/**
 * Sends a request and reads its JSON answer. Waits and tries again on 429 and 503 as the server asks, and on other server
 * failures of reads.
 *
 * @param accept status codes of failures that are given back as an answer, with their Status as the body
 * @throws MirrordError CLUSTER_*, FORBIDDEN, KUBE_API_ERROR, START_ABORTED
 */
export async function request(cluster: Cluster, options: RequestOptions, accept: number[] = []): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const { response, text } = await tryOnce(cluster, options);
    const statusCode = response.statusCode ?? 0;
    if (statusCode < 300) return { statusCode, headers: response.headers, body: parseBody(cluster, text, response) };
    const failure = parseFailure(statusCode, text);
    if (accept.includes(statusCode)) return { statusCode, headers: response.headers, body: failure };
    const delay = retryDelay(options.method ?? 'GET', response, attempt);
    if (delay === undefined) throw apiError(failure, options.operation, cluster.server, cluster.contextName);
    await sleep(delay, undefined, { signal: options.signal }).catch(() => throwAborted(options.signal!));
  }
}

/** Milliseconds to wait before the next try, or undefined when there is none. */
function retryDelay(method: string, { statusCode = 0, headers }: IncomingMessage, attempt: number): number | undefined {
  if (attempt >= TRIES) return undefined;
  const asked = Number(headers['retry-after'] ?? Number.NaN);
  if (statusCode === 429 || statusCode === 503) {
    if (asked > MAX_RETRY_AFTER) return undefined;
    return Number.isFinite(asked) ? asked * 1000 : 250 * attempt;
  }
  return statusCode >= 500 && method === 'GET' ? 100 * 2 ** attempt : undefined;
}

function parseBody(cluster: Cluster, text: string, response: IncomingMessage): unknown {
  if (response.headers['content-type']?.startsWith('text/plain')) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new MirrordError(
      'CLUSTER_UNREACHABLE',
      `${cluster.server.origin} answered, but not as a Kubernetes API server does (content type ${response.headers['content-type'] ?? 'none'}).`,
      { hint: 'A proxy or a login page may stand before it. Check with: kubectl version' },
    );
  }
}

async function tryOnce(
  cluster: Cluster,
  options: RequestOptions,
): Promise<{ response: IncomingMessage; text: string }> {
  for (let again = true; ; again = false) {
    const { response, reused } = await openAuthorized(cluster, options).catch((error) => {
      if (again && error.reused) return { response: undefined, reused: true };
      throw error;
    });
    if (!response) continue;
    try {
      return { response, text: await readText(response, options.timeoutMs ?? TIMEOUT) };
    } catch (error) {
      if (options.signal?.aborted) throwAborted(options.signal);
      if (again && reused && options.method !== 'POST' && options.method !== 'PATCH') continue;
      throw networkError(error, cluster.server, cluster.contextName);
    }
  }
}

/** As `openResponse`, with credentials that are fresh, and once more with others where those are not accepted (401). */
export async function openAuthorized(cluster: Cluster, options: RequestOptions) {
  await cluster.keepFresh();
  const opened = await openResponse(cluster, options);
  if (opened.response.statusCode !== 401) return opened;
  opened.response.resume();
  await cluster.renewCredentials();
  return openResponse(cluster, options);
}

/**
 * Sends a request and gives the response with its body unread.
 *
 * @throws MirrordError; with `reused: true` when a kept connection turned out to be closed, so that it is safe to repeat
 */
function openResponse(
  cluster: Cluster,
  options: RequestOptions,
): Promise<{ response: IncomingMessage; reused: boolean }> {
  const { method = 'GET', body, signal, timeoutMs = TIMEOUT } = options;
  if (signal?.aborted) return Promise.reject(aborted(signal));
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const send = cluster.secure ? httpsRequest : httpRequest;
    const outgoing = send({
      agent: cluster.agent,
      host: cluster.server.hostname.replace(/^\[|\]$/g, ''),
      port: cluster.server.port || (cluster.secure ? 443 : 80),
      method,
      path: requestPath(cluster, options),
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...cluster.headers(),
        ...(payload && { 'content-type': options.contentType ?? 'application/json', 'content-length': payload.length }),
      },
      signal,
    });
    const timer = setTimeout(() => outgoing.destroy(timeoutError(timeoutMs)), timeoutMs);
    outgoing.once('response', (response) => {
      clearTimeout(timer);
      resolve({ response, reused: outgoing.reusedSocket });
    });
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (signal?.aborted) return reject(aborted(signal));
      const stale = outgoing.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
      reject(Object.assign(networkError(error, cluster.server, cluster.contextName), stale && { reused: true }));
    });
    outgoing.end(payload);
  });
}

export const userAgent = `mirrord-node/${VERSION}`;

/** Path and query under the server's own path. */
export function requestPath(cluster: Cluster, { path, query }: Pick<RequestOptions, 'path' | 'query'>): string {
  const search = query ? `?${new URLSearchParams(query)}` : '';
  return `${cluster.server.pathname.replace(/\/$/, '')}${path}${search}`;
}

/** The whole body as text, within a time and a size. */
export function readText(response: IncomingMessage, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => response.destroy(timeoutError(timeoutMs)), timeoutMs);
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY) response.destroy(new Error(`the answer is larger than ${MAX_BODY} bytes`));
      else chunks.push(chunk);
    });
    response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    response.once('error', reject);
    response.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the connection was closed in the middle of the answer'));
    });
  });
}

function timeoutError(ms: number): Error {
  return Object.assign(new Error(`no answer within ${ms / 1000} s`), { code: 'ETIMEDOUT' });
}

export function aborted(signal: AbortSignal): MirrordError {
  return new MirrordError('START_ABORTED', 'The start was interrupted.', { cause: signal.reason });
}

function throwAborted(signal: AbortSignal): never {
  throw aborted(signal);
}
