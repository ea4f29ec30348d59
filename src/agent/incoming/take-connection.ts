import type { Socket } from 'node:net';
import { resetSocket } from '../../protocol/splice';
import type { Log } from '../log';
import { connectToPod, type Taken } from './connections';
import type { RequestFacts } from './filter/compile';
import { Http1Connection } from './http1/connection';
import { Http2Connection } from './http2/connection';
import { MirrorCopy } from './mirror';
import { type Peeked, peek } from './peek';
import { isProbeHead } from './probe';
import { passToPod, type RawConnection, stealRaw } from './raw';
import { routeRequest } from './routing';
import type { Exemption } from './rules/rules';
import { SETTINGS } from './settings';
import type { Subscriber } from './subscriber';

export interface TakeContext {
  /** Subscribers of the port whose link is there, newest first; asked again for each request. */
  active(): Subscriber[];
  exemption: Exemption;
  log: Log;
}

/** Decides what becomes of a connection that was redirected. Never rejects. */
export async function takeConnection(taken: Taken, context: TakeContext): Promise<void> {
  const { socket } = taken;
  const { active, exemption, log } = context;
  const pod = () => connectToPod(taken, exemption);
  const onLag = ({ id, params }: Subscriber) =>
    log.warn('a copy ended: the client reads too slowly', { subscription: id, port: params.port });
  try {
    const now = active();
    const filtered = now.some(({ matches }) => matches !== undefined);
    const owner = now.find(isWhole('steal'));
    const copies = now.filter(isWhole('mirror'));
    // Nobody decides by content: the pod's application is connected at once.
    if (!filtered && !owner) {
      const startCopies = () => copyBytes(taken, copies, undefined, onLag);
      return await passToPod({ taken, rest: EMPTY, kind: 'other', connectToPod: pod, startCopies });
    }
    const first = await peek(socket, SETTINGS.silenceMs);
    if (first.kind === 'ended') return void socket.destroy();
    const byRequest = { taken, first, pod, active, copies, onLag };
    if (filtered) return await takeFiltered(byRequest);
    const { keepProbes } = owner!.params;
    // A health check over HTTP/2 shows only once its client has got settings from somebody.
    if (keepProbes && first.kind === 'http2') return takeHttp2(byRequest);
    const connection = toRaw(byRequest, first);
    if (keepProbes && first.kind === 'http1' && (await isProbeHead(socket))) return await passToPod(connection);
    // HTTP/2 that nobody takes is told so request by request.
    await stealRaw(connection, owner!).catch(() => takeHttp2(byRequest));
  } catch (error) {
    log.debug('a connection was dropped', { reason: (error as Error)?.message });
    resetSocket(socket);
  }
}

const isWhole =
  (mode: 'steal' | 'mirror') =>
  ({ params, matches }: Subscriber): boolean =>
    params.mode === mode && matches === undefined;

interface ByRequest {
  taken: Taken;
  first: Peeked;
  pod(): Promise<Socket>;
  active(): Subscriber[];
  /** Who gets all of it, whatever it is. */
  copies: Subscriber[];
  onLag(subscriber: Subscriber): void;
}

async function takeFiltered(taking: ByRequest): Promise<void> {
  const { taken, first, pod, active, copies, onLag } = taking;
  const { socket } = taken;
  let { kind, rest } = first;
  let connected: Socket | undefined;
  if (kind === 'silent') {
    connected = await pod();
    // Whoever speaks first now decides: a client that was only slow is still filtered.
    if (await podSpeaksFirst(connected, socket)) kind = 'other';
    else ({ kind, rest } = await peek(socket, 0));
    if (kind === 'ended') return void connected.destroy();
  }
  if (kind === 'http2') return takeHttp2(taking, connected);
  if (kind === 'http1') {
    const onBytes = copyBytes(taken, copies, kind, onLag);
    await new Http1Connection({ ...deciding(taking, connected), onBytes }).serve();
    return;
  }
  const owner = active().find(isWhole('steal'));
  const connection = toRaw(taking, { kind, rest });
  if (!owner) return passToPod(connection, connected);
  connected?.destroy();
  await stealRaw(connection, owner);
}

function toRaw({ taken, pod, copies, onLag }: ByRequest, { kind, rest }: Peeked): RawConnection {
  const http = kind === 'http1' || kind === 'http2' ? kind : undefined;
  return { taken, rest, kind, connectToPod: pod, startCopies: () => copyBytes(taken, copies, http, onLag) };
}

/** Its bytes never pass through here, so copies of all of it are made of its requests, too. */
function takeHttp2(taking: ByRequest, connected?: Socket): void {
  const { route, ...others } = deciding(taking, connected);
  new Http2Connection({
    ...others,
    route(facts) {
      const { winner, copies } = route(facts);
      return { winner, copies: [...copies, ...taking.copies.filter((copy) => taking.active().includes(copy))] };
    },
  });
}

function deciding({ taken, pod, active, onLag }: ByRequest, connected: Socket | undefined) {
  return {
    taken,
    pod: connected,
    connectToPod: pod,
    needsBody: () => active().some(({ matches }) => matches?.needsBody),
    route: (facts: RequestFacts) => routeRequest(active(), facts),
    onLag,
  };
}

/** Resolves with true when the application has sent something (or ended), with false when the client has. */
function podSpeaksFirst(pod: Socket, client: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (podFirst: boolean) => {
      pod.off('readable', fromPod).off('close', fromPod);
      client.off('readable', fromClient).off('end', fromClient).off('close', fromClient);
      resolve(podFirst);
    };
    const fromPod = () => settle(true);
    const fromClient = () => settle(false);
    pod.on('readable', fromPod).on('close', fromPod);
    client.on('readable', fromClient).on('end', fromClient).on('close', fromClient);
  });
}

const EMPTY: Buffer = Buffer.alloc(0);

function copyBytes(
  taken: Taken,
  copies: Subscriber[],
  http: 'http1' | 'http2' | undefined,
  onLag: (subscriber: Subscriber) => void,
): ((bytes: Buffer) => void) | undefined {
  if (copies.length === 0) return undefined;
  const made = copies.map((subscriber) => new MirrorCopy(subscriber, taken, http, () => onLag(subscriber)));
  const end = () => {
    for (const copy of made) copy.end();
  };
  taken.socket.once('end', end).once('close', end);
  return (bytes) => {
    for (const copy of made) copy.write(bytes);
  };
}
