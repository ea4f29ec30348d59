import type { IncomingMessage } from 'node:http';
import { isMirrordError, MirrordError } from '../errors';
import { apiError, parseFailure } from './api-errors';
import type { Cluster } from './cluster';
import type { AgentPort } from './dial-port-forward';
import { readText } from './request';

const BODY_TIMEOUT = 5_000;

/** What an answer that is no upgrade means: AGENT_GONE, FORBIDDEN, CLUSTER_UNAUTHORIZED or PORT_FORWARD_FAILED. */
export async function explainResponse(
  cluster: Cluster,
  agent: AgentPort,
  verb: 'get' | 'create',
  response: IncomingMessage,
): Promise<MirrordError> {
  const text = await readText(response, BODY_TIMEOUT).catch(() => '');
  const failure = parseFailure(response.statusCode ?? 0, text);
  // A proxy that does not know the path answers 404, and a subprotocol that is not known 403; neither with a Status object.
  const isStatus = text.trimStart().startsWith('{');
  if (failure.statusCode === 404 && isStatus) {
    return new MirrordError('AGENT_GONE', `The agent's pod is gone: ${failure.message}.`, {
      hint: 'Start the app again: a new agent is started with it.',
      details: { pod: agent.pod, namespace: agent.namespace },
    });
  }
  const operation = { verb, resource: 'pods/portforward', namespace: agent.namespace };
  if (failure.statusCode === 401 || (failure.statusCode === 403 && isStatus)) {
    return apiError(failure, operation, cluster.server, cluster.contextName);
  }
  return new MirrordError(
    'PORT_FORWARD_FAILED',
    `The port-forward to pod "${agent.pod}" was not opened: ${failure.statusCode} ${failure.message || 'without a message'}.`,
    {
      hint: 'A proxy on the way to the API server must let WebSocket or SPDY upgrades pass.',
      details: { status: failure.statusCode },
    },
  );
}

/** @param cluster whose server was asked, for a port-forward to the pod of `agent` */
export function handshakeTimeout(cluster: Cluster, agent: AgentPort, ms: number): MirrordError {
  return new MirrordError('PORT_FORWARD_FAILED', `${unanswered(cluster, agent)} within ${ms / 1000} s.`, {
    hint: 'Check what lies between here and the API server: a proxy or balancer may hold upgrades back.',
    details: { status: 'timeout' },
  });
}

/** Whoever gave up waiting has a limit of his own; what he waited for is known here. */
export function handshakeAborted(cluster: Cluster, agent: AgentPort, form: string, signal: AbortSignal): MirrordError {
  return new MirrordError('START_ABORTED', `${unanswered(cluster, agent)} (${form})`, { cause: signal.reason });
}

function unanswered({ server }: Cluster, { pod }: AgentPort): string {
  return `the API server ${server.host} did not answer the upgrade to a port-forward to pod "${pod}"`;
}

/** Answers to an upgrade that say nothing about the pod: something on the way, or an old server, does not know this form. */
const UNKNOWN_FORM: unknown[] = [200, 301, 302, 400, 403, 404, 405, 406, 415, 426, 501, 502, 'timeout'];

/** Whether another form of port-forward may work where this one failed. */
export function mayDiffer(error: unknown): error is MirrordError {
  if (!isMirrordError(error)) return false;
  if (error.code === 'PORT_FORWARD_FAILED') return UNKNOWN_FORM.includes(error.details?.status);
  // Before 1.35 each form asks for another verb: a right to one of them may be all there is.
  if (error.code === 'FORBIDDEN') return true;
  // The server answered the request before it; a middlebox resets what it does not want to pass on.
  return error.code === 'CLUSTER_UNREACHABLE' && error.details?.originalCode === 'ECONNRESET';
}
