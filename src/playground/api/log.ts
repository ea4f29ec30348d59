import { pipeline } from 'node:stream/promises';
import { badRequest, notFound } from '../status';
import type { LogOptions } from '../types';
import { chooseContainer, requireStarted } from './containers';
import type { ResourceCall } from './context';
import { isTrue } from './request-info';
import { commonHeaders } from './respond';

/** GET of pods/NAME/log: plain text, without end when `follow` is set and the container runs. */
export async function handleLog({ context, query, info, resource, response }: ResourceCall): Promise<void> {
  const pod = context.store.get('pods', info.namespace, info.name!);
  if (!pod) throw notFound(resource, info.name!);
  const options = readOptions(query);
  const container = chooseContainer(pod, query.get('container'));
  requireStarted(pod, container, options.previous);
  const log = await context.streams.logs(info.namespace!, info.name!, container, options);
  response.writeHead(200, { ...commonHeaders(), 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' });
  response.flushHeaders();
  try {
    await pipeline(log, response);
  } catch {
    // The reader went away, or the log broke off after its head was sent: the connection has told it already.
    response.destroy();
  }
}

function readOptions(query: URLSearchParams): LogOptions {
  return {
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    tailLines: readNumber(query, 'tailLines'),
    sinceSeconds: readNumber(query, 'sinceSeconds') ?? secondsSince(query.get('sinceTime')),
    limitBytes: readNumber(query, 'limitBytes'),
  };
}

function readNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d+$/.test(text))
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be a number, 0 or more`);
  return Number(text);
}

function secondsSince(time: string | null): number | undefined {
  if (!time) return undefined;
  const then = Date.parse(time);
  if (Number.isNaN(then))
    throw badRequest(`sinceTime: Invalid value: ${JSON.stringify(time)}: must be an RFC 3339 time`);
  return Math.max(1, Math.ceil((Date.now() - then) / 1000));
}
