import type { MethodName, Params, Result } from '../protocol/contract';
import type { ByteSource } from '../protocol/rpc';
import { VERSION } from '../version';
import { lookup, lookupService } from './dns/lookup';
import type { RecordResolver } from './dns/records';
import { selectVariables } from './environment';
import { badParameters } from './failure';
import { fileCalls } from './file-calls';
import type { OpenSources } from './files/file-source';
import type { SessionIncoming } from './incoming/session-incoming';
import * as check from './parameters';
import type { Target } from './target/target';

export interface HandlerContext {
  /** Asked for each call, as the target's main process can be replaced. */
  target(): Target;
  resolver: RecordResolver;
  sources: OpenSources;
  incoming: Pick<SessionIncoming, 'subscribe' | 'unsubscribe'>;
}

/** One answer: the CBOR part, and the bytes beside it where the method has any. */
export interface HandlerAnswer<M extends MethodName = MethodName> {
  result: Result<M>;
  raw?: Uint8Array | ByteSource;
}

export type Handlers = { [M in MethodName]: (params: Params<M>, signal?: AbortSignal) => Promise<HandlerAnswer<M>> };

/** What answers each method of the contract. Parameters are checked here: they come from another program. */
export function createHandlers({ target, resolver, sources, incoming }: HandlerContext): Handlers {
  return {
    info: async () => {
      const { pid, targeted, hostname, families } = target();
      const versions = { agentVersion: VERSION, nodeVersion: process.version };
      return { result: { ...versions, hostname, targeted, families: families(), targetPid: pid } };
    },
    env: async ({ include, exclude }) => {
      check.texts('include', include);
      check.texts('exclude', exclude);
      return { result: { env: selectVariables(await target().environment(), include, exclude) } };
    },
    'dns.lookup': async (params) => {
      check.text('hostname', params.hostname);
      check.oneOf('family', params.family, [0, 4, 6]);
      check.wholeNumber('hints', params.hints, 0xffff);
      check.oneOf('order', params.order, ['verbatim', 'ipv4first', 'ipv6first']);
      return { result: await lookup(params, target().families()) };
    },
    'dns.lookupService': async (params) => {
      check.text('address', params.address);
      check.wholeNumber('port', params.port, 65_535);
      return { result: await lookupService(params) };
    },
    'dns.resolve': async (params) => {
      check.text('hostname', params.hostname);
      check.text('rrtype', params.rrtype);
      return { result: await resolver.resolve(params) };
    },
    'incoming.subscribe': (params) => incoming.subscribe(params),
    'incoming.unsubscribe': async ({ subscription }) => {
      check.wholeNumber('subscription', subscription, Number.MAX_SAFE_INTEGER);
      return incoming.unsubscribe(subscription);
    },
    ...fileCalls(() => target().root, sources),
  };
}

/** The handler of a method by the name a client gave. Throws UNKNOWN_METHOD for what this version has not got. */
export function dispatch(
  handlers: Handlers,
  method: string,
  params: unknown,
  signal?: AbortSignal,
): Promise<HandlerAnswer> {
  if (!Object.hasOwn(handlers, method)) throw check.unknownMethod(method);
  if (typeof params !== 'object' || params === null) throw badParameters(`parameters of ${method} must be an object`);
  const handler = handlers[method as MethodName] as (params: unknown, signal?: AbortSignal) => Promise<HandlerAnswer>;
  return handler(params, signal);
}
