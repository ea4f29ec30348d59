import WebSocket from 'ws';
import type { MirrordError } from '../errors';
import { networkError } from './api-errors';
import type { Cluster } from './cluster';
import type { AgentPort, DialForm } from './dial-port-forward';
import { PortForwardTransport } from './port-forward';
import { explainResponse, handshakeTimeout } from './refused-upgrade';
import { aborted, requestPath, userAgent } from './request';

/** A port-forward over a WebSocket whose messages begin with the number of their channel. */
export const dialChannels: DialForm = (cluster, agent, timeoutMs, signal) => {
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const path = `/api/v1/namespaces/${agent.namespace}/pods/${agent.pod}/portforward`;
    const target = requestPath(cluster, { path, query: { ports: String(agent.port) } });
    const socket = openSocket(cluster, target, timeoutMs, ['v4.channel.k8s.io']);
    // Once for the upgrade, and again for the server to name its ports.
    const timer = setTimeout(() => fail(handshakeTimeout(cluster, agent, timeoutMs * 2)), timeoutMs * 2);
    const onAbort = () => fail(aborted(signal!));
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: MirrordError) => {
      settle();
      transport.destroy();
      reject(error);
    };
    const transport = new PortForwardTransport(socket, () => {
      settle();
      transport.off('error', fail);
      resolve(transport);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    transport.once('error', fail);
    beforeUpgrade(socket, cluster, agent, timeoutMs, fail);
  });
};

/** Until the upgrade an error is the network's, or an answer that is none; a transport would call it a refused port. */
export function beforeUpgrade(
  socket: WebSocket,
  cluster: Cluster,
  agent: AgentPort,
  timeoutMs: number,
  fail: (error: MirrordError) => void,
): void {
  const onError = (error: Error) => {
    if (error.message === 'Opening handshake has timed out') fail(handshakeTimeout(cluster, agent, timeoutMs));
    else fail(networkError(error, cluster.server, cluster.contextName));
  };
  socket.once('unexpected-response', (_request, response) => {
    explainResponse(cluster, agent, 'get', response).then(fail, fail);
  });
  socket.prependListener('error', onError);
  socket.once('open', () => socket.off('error', onError));
}

/**
 * @param path with its query
 * @param protocols as the WebSocket standard allows them; others go into `headers`
 */
export function openSocket(
  cluster: Cluster,
  path: string,
  timeoutMs: number,
  protocols: string[],
  headers: Record<string, string> = {},
): WebSocket {
  const host = `${cluster.secure ? 'wss' : 'ws'}://${cluster.server.host}`;
  return new WebSocket(host + path, protocols, {
    agent: cluster.agent,
    headers: { 'user-agent': userAgent, ...cluster.headers(), ...headers },
    handshakeTimeout: timeoutMs,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: 16 * 1024 * 1024,
    // The mask protects proxies that see the bytes. Inside TLS none does, and masking costs a pass over every byte.
    ...(cluster.secure && { generateMask: (mask: Buffer) => mask.fill(0) }),
  });
}
