import type { IncomingMessage } from 'node:http';
import { badRequest, notFound } from '../../status';
import type { KubeObject } from '../../types';
import { ANONYMOUS, forbidden, forbiddenUpgrade } from '../authorize';
import { chooseContainer, isRunning } from '../containers';
import type { ApiContext } from '../context';
import { routeResource } from '../dispatch';
import { attributesOf, isTrue } from '../request-info';
import type { CommandRequest } from './exec';
import type { ForwardRequest } from './port-forward';

interface Refusal {
  code: number;
  text: string;
}

/** A stream request that may go on, or the kubelet's plain refusal of it. */
export type StreamRequest = { subresource: string; refusal?: Refusal } & (
  | { kind: 'command'; request: CommandRequest }
  | { kind: 'forward'; request: ForwardRequest }
);

/**
 * Checks an upgrade request as far as the API server itself does.
 *
 * @returns undefined when the path has no streams.
 * @throws StatusError 403, 404 or 400.
 */
export function acceptStreamRequest(
  context: ApiContext,
  request: IncomingMessage,
  transport: 'websocket' | 'spdy',
  isAnonymous: boolean,
): StreamRequest | undefined {
  const url = new URL(request.url ?? '/', 'https://playground');
  const { info, resource, verb } = routeResource(request.method ?? 'GET', url);
  const attributes = attributesOf(info, verb ?? 'get');
  if (isAnonymous) throw forbidden(attributes, ANONYMOUS);
  const { subresource = '', namespace = '', name = '' } = info;
  if (resource?.plural !== 'pods' || !['exec', 'attach', 'portforward'].includes(subresource)) return undefined;
  if (!context.authorizer.allows(attributes)) throw forbidden(attributes);
  // A WebSocket upgrade is a GET, but it can do what a POST can: both verbs are asked.
  const asCreate = { ...attributes, verb: 'create' };
  if (transport === 'websocket' && !context.authorizer.allows(asCreate)) throw forbiddenUpgrade(attributes);
  const pod = context.store.get('pods', namespace, name);
  if (!pod) throw notFound(resource, name);
  return subresource === 'portforward'
    ? { subresource, kind: 'forward', ...acceptForward(context, pod, url.searchParams) }
    : { subresource, kind: 'command', ...acceptCommand(context, pod, subresource, url.searchParams) };
}

function acceptForward(
  context: ApiContext,
  pod: KubeObject,
  query: URLSearchParams,
): { request: ForwardRequest; refusal?: Refusal } {
  const { namespace, name } = pod.metadata;
  const ports = query.getAll('ports').flatMap((value) => value.split(','));
  const bad = ports.find((port) => !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535);
  return {
    request: { pod, ports: ports.map(Number), dial: (port) => context.streams.dial(namespace!, name, port) },
    ...(bad === undefined ? {} : { refusal: { code: 400, text: `invalid port ${JSON.stringify(bad)}` } }),
  };
}

function acceptCommand(
  { streams }: ApiContext,
  pod: KubeObject,
  subresource: string,
  query: URLSearchParams,
): { request: CommandRequest; refusal?: Refusal } {
  const { namespace, name } = pod.metadata;
  const flag = (field: string) => isTrue(query.get(field));
  const container = chooseContainer(pod, query.get('container'));
  const command = query.getAll('command');
  const options = { command, stdin: flag('stdin'), stdout: flag('stdout'), stderr: flag('stderr'), tty: flag('tty') };
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw badRequest('you must specify at least one of stdin, stdout, stderr');
  }
  if (subresource === 'exec' && command.length === 0) {
    throw badRequest('you must specify at least 1 command for the container');
  }
  const start = () =>
    subresource === 'exec'
      ? streams.exec(namespace!, name, container, options)
      : streams.attach(namespace!, name, container, options);
  const refusal = { code: 500, text: `container not found ("${container}")` };
  return { request: { ...options, start }, ...(isRunning(pod, container) ? {} : { refusal }) };
}
