import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import type { MirrordError } from '../errors';
import { networkError } from './api-errors';
import { beforeUpgrade, openSocket } from './dial-channels';
import type { AgentPort, DialForm } from './dial-port-forward';
import { explainResponse, handshakeTimeout } from './refused-upgrade';
import { aborted, requestPath, userAgent } from './request';
import { SpdyForwardTransport } from './spdy-forward';

const PROTOCOL = 'portforward.k8s.io';
const TUNNEL = `SPDY/3.1+${PROTOCOL}`;
/** Milliseconds: balancers on the way cut connections that are silent. */
const PING_INTERVAL = 30_000;

const pathOf = ({ namespace, pod }: AgentPort) => `/api/v1/namespaces/${namespace}/pods/${pod}/portforward`;

/** SPDY frames as messages of a WebSocket: what kubectl does since 1.31. */
export const dialSpdyOverWebSocket: DialForm = (cluster, agent, timeoutMs, signal) =>
  opening(signal, (resolve, fail) => {
    const path = requestPath(cluster, { path: pathOf(agent) });
    // The name is no token as the WebSocket standard wants it, so the library may neither send nor see it.
    const socket = openSocket(cluster, path, timeoutMs, [], { 'sec-websocket-protocol': TUNNEL });
    socket.once('upgrade', ({ headers }) => {
      delete headers['sec-websocket-protocol'];
    });
    beforeUpgrade(socket, cluster, agent, timeoutMs, fail);
    // Errors after the upgrade are the stream's.
    socket.on('error', () => {});
    socket.once('open', () => {
      const stream = createWebSocketStream(socket);
      const pings = setInterval(() => socket.readyState === socket.OPEN && socket.ping(), PING_INTERVAL).unref();
      socket.once('close', () => clearInterval(pings));
      resolve(stream);
    });
    return () => socket.terminate();
  }).then((connection) => new SpdyForwardTransport(connection, agent.port));

/** SPDY by itself: what all versions know. */
export const dialSpdy: DialForm = (cluster, agent, timeoutMs, signal) =>
  opening(signal, (resolve, fail) => {
    const send = cluster.secure ? httpsRequest : httpRequest;
    const outgoing = send({
      agent: cluster.agent,
      host: cluster.server.hostname.replace(/^\[|\]$/g, ''),
      port: cluster.server.port || (cluster.secure ? 443 : 80),
      method: 'POST',
      path: requestPath(cluster, { path: pathOf(agent) }),
      headers: {
        'user-agent': userAgent,
        ...cluster.headers(),
        connection: 'Upgrade',
        upgrade: 'SPDY/3.1',
        'x-stream-protocol-version': PROTOCOL,
        'content-length': 0,
      },
    });
    const timer = setTimeout(() => fail(handshakeTimeout(cluster, agent, timeoutMs)), timeoutMs);
    outgoing.once('upgrade', (_response, socket, head) => {
      clearTimeout(timer);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    outgoing.once('response', (response) => {
      clearTimeout(timer);
      explainResponse(cluster, agent, 'create', response).then(fail, fail);
    });
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      fail(networkError(error, cluster.server, cluster.contextName));
    });
    outgoing.end();
    return () => {
      clearTimeout(timer);
      outgoing.destroy();
    };
  }).then((connection) => new SpdyForwardTransport(connection, agent.port, PING_INTERVAL));

/** @param start begins, and gives what takes it back */
function opening(
  signal: AbortSignal | undefined,
  start: (resolve: (connection: Duplex) => void, fail: (error: MirrordError) => void) => () => void,
): Promise<Duplex> {
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const onAbort = () => fail(aborted(signal!));
    const fail = (error: MirrordError) => {
      signal?.removeEventListener('abort', onAbort);
      reject(error);
      takeBack();
    };
    const takeBack = start((connection) => {
      signal?.removeEventListener('abort', onAbort);
      resolve(connection);
    }, fail);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
