import type { IncomingMessage } from 'node:http';
import WebSocket from 'ws';
import { MirrordError } from '../errors';
import type { Dial, Transport } from '../tunnel/transport';
import { apiError, networkError, parseFailure } from './api-errors';
import type { Cluster } from './cluster';
import { PortForwardTransport } from './port-forward';
import { aborted, readText, requestPath, userAgent } from './request';

export interface AgentPort {
  namespace: string;
  pod: string;
  port: number;
}

/** Milliseconds for the upgrade, and again for the server to name its ports. */
const HANDSHAKE_TIMEOUT = 15_000;

/** A `Dial` for a port of a pod. Credentials are renewed once when the server does not accept them. */
export function createDial(openCluster: () => Promise<Cluster>, agent: AgentPort): Dial {
  return async (signal) => {
    const cluster = await openCluster();
    await cluster.keepFresh();
    try {
      return await dialPortForward(cluster, agent, signal);
    } catch (error) {
      if ((error as MirrordError).code !== 'CLUSTER_UNAUTHORIZED') throw error;
      await cluster.renewCredentials();
      return dialPortForward(cluster, agent, signal);
    }
  };
}

/**
 * Opens a port-forward. That it opens says nothing about the port: a transport whose port refuses is destroyed with
 * PORT_FORWARD_REFUSED a few milliseconds later.
 *
 * @throws MirrordError AGENT_GONE, PORT_FORWARD_FAILED, FORBIDDEN, CLUSTER_*
 */
export function dialPortForward(cluster: Cluster, agent: AgentPort, signal?: AbortSignal): Promise<Transport> {
  if (signal?.aborted) return Promise.reject(aborted(signal));
  return new Promise((resolve, reject) => {
    const socket = openSocket(cluster, agent);
    const timer = setTimeout(() => fail(timeout()), HANDSHAKE_TIMEOUT * 2);
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
    socket.once('unexpected-response', (_request, response) => {
      explainResponse(cluster, agent, response).then(fail, fail);
    });
    // Before the upgrade an error is the network's; the transport would call it a refused port.
    const onEarlyError = (error: Error) => fail(networkError(error, cluster.server, cluster.contextName));
    socket.prependListener('error', onEarlyError);
    socket.once('open', () => socket.off('error', onEarlyError));
  });
}

function openSocket(cluster: Cluster, { namespace, pod, port }: AgentPort): WebSocket {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/portforward`;
  const host = `${cluster.secure ? 'wss' : 'ws'}://${cluster.server.host}`;
  return new WebSocket(host + requestPath(cluster, { path, query: { ports: String(port) } }), ['v4.channel.k8s.io'], {
    agent: cluster.agent,
    headers: { 'user-agent': userAgent, ...cluster.headers() },
    handshakeTimeout: HANDSHAKE_TIMEOUT,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: 16 * 1024 * 1024,
    // The mask protects proxies that see the bytes. Inside TLS none does, and masking costs a pass over every byte.
    ...(cluster.secure && { generateMask: (mask: Buffer) => mask.fill(0) }),
  });
}

async function explainResponse(cluster: Cluster, agent: AgentPort, response: IncomingMessage): Promise<MirrordError> {
  const text = await readText(response, HANDSHAKE_TIMEOUT).catch(() => '');
  const failure = parseFailure(response.statusCode ?? 0, text);
  if (failure.statusCode === 404) {
    return new MirrordError('AGENT_GONE', `The agent's pod is gone: ${failure.message}.`, {
      hint: 'Start the app again: a new agent is started with it.',
      details: { pod: agent.pod, namespace: agent.namespace },
    });
  }
  const operation = { verb: 'get', resource: 'pods/portforward', namespace: agent.namespace };
  if (failure.statusCode === 401 || failure.statusCode === 403) {
    return apiError(failure, operation, cluster.server, cluster.contextName);
  }
  return new MirrordError(
    'PORT_FORWARD_FAILED',
    `The port-forward to pod "${agent.pod}" was not opened: ${failure.statusCode} ${failure.message || 'without a message'}.`,
    {
      hint: 'A proxy on the way to the API server must let WebSocket upgrades pass.',
      details: { status: failure.statusCode },
    },
  );
}

function timeout(): MirrordError {
  return new MirrordError(
    'PORT_FORWARD_FAILED',
    `The port-forward was not opened within ${(HANDSHAKE_TIMEOUT * 2) / 1000} s.`,
    {
      hint: 'Check the connection to the cluster.',
    },
  );
}
