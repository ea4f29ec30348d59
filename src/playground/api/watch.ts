import type { ServerResponse } from 'node:http';
import { apiVersionOf, type Resource } from '../resources';
import { statusBody } from '../status';
import { StatusError } from '../status-error';
import type { KubeObject } from '../types';
import type { LoggedEvent } from '../watch-log';
import type { ResourceCall } from './context';
import { filterOf, parseResourceVersion, representationOf } from './list';
import type { Representation } from './negotiate';
import { represent } from './represent';
import { isTrue } from './request-info';
import { commonHeaders } from './respond';

const BOOKMARK_MS = 60_000;
const DEFAULT_TIMEOUT_S = 1800;
const MAX_TIMEOUT_S = 86_400;
// A client that does not read is cut off rather than kept in memory; it resumes from the last version it saw.
const MAX_BUFFERED = 32 * 1024 * 1024;

type Matches = (object: KubeObject) => boolean;

/** GET with `watch=true`: one JSON document a line, until the time is up or the client goes. */
export function handleWatch(call: ResourceCall): void {
  const { context, query, resource, response } = call;
  const matches = filterOf(call);
  const text = query.get('resourceVersion') ?? '';
  const since = text === '' || text === '0' ? undefined : parseResourceVersion(text);
  const wantsInitial = isTrue(query.get('sendInitialEvents'));
  const stream = new WatchStream(response, resource, representationOf(call));

  if (since !== undefined && since < context.log.oldest) {
    stream.fail(tooOld(since, context.log.oldest));
    return;
  }
  const bookmarks = isTrue(query.get('allowWatchBookmarks'));
  const unfollow = context.log.follow(resource.plural, (event) => sendChange(stream, event, matches));
  if (since === undefined || wantsInitial) {
    for (const object of context.store.list(resource.plural).filter(matches)) stream.send('ADDED', object);
    if (wantsInitial && bookmarks) stream.bookmark(context.log.revision, { 'k8s.io/initial-events-end': 'true' });
  } else {
    for (const event of context.log.since(resource.plural, since)) sendChange(stream, event, matches);
  }

  const beat = bookmarks ? setInterval(() => stream.bookmark(context.log.revision), BOOKMARK_MS) : undefined;
  const requested = Number(query.get('timeoutSeconds')) || DEFAULT_TIMEOUT_S;
  const deadline = setTimeout(() => {
    if (bookmarks) stream.bookmark(context.log.revision);
    response.end();
  }, Math.min(requested, MAX_TIMEOUT_S) * 1000);
  response.once('close', () => {
    unfollow();
    clearInterval(beat);
    clearTimeout(deadline);
  });
}

/** An object that starts or stops matching the selectors appears to the watcher as added or deleted. */
function sendChange(stream: WatchStream, { type, object, previous, revision }: LoggedEvent, matches: Matches): void {
  const before = previous !== undefined && matches(previous);
  const now = type !== 'DELETED' && matches(object);
  if (now) stream.send(before ? 'MODIFIED' : 'ADDED', object);
  else if (before) {
    const last = type === 'DELETED' ? object : previous;
    stream.send('DELETED', { ...last, metadata: { ...last.metadata, resourceVersion: String(revision) } });
  }
}

class WatchStream {
  #response: ServerResponse;
  #resource: Resource;
  #representation: Representation;
  #first = true;

  constructor(response: ServerResponse, resource: Resource, representation: Representation) {
    this.#response = response;
    this.#resource = resource;
    this.#representation = representation;
    response.writeHead(200, { ...commonHeaders(), 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' });
    // The client waits for the headers even when nothing happens for a while.
    response.flushHeaders();
  }

  send(type: string, object: KubeObject): void {
    const body = represent(this.#resource, object, this.#representation) as Record<string, unknown>;
    // Only the first table of a watch names its columns.
    if (body.kind === 'Table' && !this.#first) body.columnDefinitions = null;
    this.#first = false;
    this.#write({ type, object: body });
  }

  bookmark(revision: number, annotations?: Record<string, string>): void {
    const object = {
      kind: this.#resource.kind,
      apiVersion: apiVersionOf(this.#resource),
      metadata: { resourceVersion: String(revision), ...(annotations ? { annotations } : {}) },
    };
    this.#write({
      type: 'BOOKMARK',
      object: this.#representation.as === 'table' ? { ...EMPTY_TABLE, rows: [{ cells: [], object }] } : object,
    });
  }

  fail(error: StatusError): void {
    this.#write({ type: 'ERROR', object: statusBody(error) });
    this.#response.end();
  }

  #write(event: unknown): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    this.#response.write(`${JSON.stringify(event)}\n`);
    if (this.#response.writableLength > MAX_BUFFERED) this.#response.destroy();
  }
}

const EMPTY_TABLE = { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: {}, columnDefinitions: null };

function tooOld(wanted: number, oldest: number): StatusError {
  return new StatusError(410, 'Expired', `too old resource version: ${wanted} (${oldest})`);
}
