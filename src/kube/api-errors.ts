import { MirrordError } from '../errors';
import { forbiddenHint } from './role';

/** A failed answer of the API server; `status` is its Status object when it sent one. */
export interface FailedAnswer {
  statusCode: number;
  /** The server's own words. */
  message: string;
  reason: string | undefined;
}

export interface Operation {
  verb: string;
  /** As RBAC names it: `pods`, `pods/portforward`, `jobs`. */
  resource: string;
  namespace: string | undefined;
}

/** Reads the Status object out of a failed answer's body, or takes its text. */
export function parseFailure(statusCode: number, body: string): FailedAnswer {
  try {
    const { message, reason } = JSON.parse(body) as { message?: string; reason?: string };
    if (typeof message === 'string') return { statusCode, message, reason };
  } catch {
    // Kubelets and proxies answer plain text.
  }
  return { statusCode, message: body.trim().slice(0, 500), reason: undefined };
}

/** Says which answer it was, with what to do: CLUSTER_UNAUTHORIZED, FORBIDDEN, or KUBE_API_ERROR. */
export function apiError(failure: FailedAnswer, operation: Operation, server: URL, contextName: string): MirrordError {
  const details = { status: failure.statusCode, reason: failure.reason, ...operation };
  if (failure.statusCode === 401) {
    return new MirrordError(
      'CLUSTER_UNAUTHORIZED',
      `The API server ${server.origin} does not accept the credentials of context "${contextName}" (401 ${failure.message || 'Unauthorized'}).`,
      { hint: 'They may have expired: log in again, and check with: kubectl get pods', details },
    );
  }
  if (failure.statusCode === 403) return forbidden(failure, operation, details);
  const words = failure.message || failure.reason || 'no message';
  return new MirrordError(
    'KUBE_API_ERROR',
    `The API server answered ${failure.statusCode} to ${describe(operation)}: ${words}`,
    { hint: failure.statusCode >= 500 ? 'The failure is on the side of the cluster; try again.' : undefined, details },
  );
}

function forbidden(failure: FailedAnswer, operation: Operation, details: Record<string, unknown>): MirrordError {
  // The API's words name the verb and resource; without them, what was tried is what is missing.
  const said = /User "([^"]*)" cannot (\w+) resource "([^"]+)"/.exec(failure.message);
  // Since 1.35 opening a port-forward asks for "create" beside "get", and when only that is missing says nothing at all.
  const silent = operation.resource === 'pods/portforward' && /is forbidden:\s*$/.test(failure.message);
  const verb = said?.[2] ?? (silent ? 'create' : operation.verb);
  const resource = said?.[3] ?? operation.resource;
  const where = operation.namespace ? ` in namespace "${operation.namespace}"` : '';
  const because = silent
    ? 'this server asks for "create" beside "get" on pods/portforward'
    : failure.message || 'no reason was given';
  return new MirrordError('FORBIDDEN', `You may not ${verb} ${resource}${where}: ${because}`, {
    hint: forbiddenHint(said?.[1], operation.namespace, verb, resource),
    details: { ...details, verb, resource },
  });
}

function describe({ verb, resource, namespace }: Operation): string {
  return `"${verb} ${resource}"${namespace ? ` in namespace "${namespace}"` : ''}`;
}

const CERTIFICATE =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|ERR_SSL_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** A request that got no answer: CLUSTER_CERTIFICATE or CLUSTER_UNREACHABLE, with the system's error. */
export function networkError(error: unknown, server: URL, contextName: string): MirrordError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof MirrordError) return error;
  const details = { server: server.origin, context: contextName, originalCode: code };
  if (code && CERTIFICATE.test(code)) {
    return new MirrordError(
      'CLUSTER_CERTIFICATE',
      `The certificate of the API server ${server.origin} is not accepted: ${message} (${code}).`,
      {
        hint: 'Check certificate-authority in the kubeconfig and, behind a proxy that opens TLS, NODE_EXTRA_CA_CERTS. With "accept_invalid_certificates": true it is not checked at all.',
        cause: error,
        details,
      },
    );
  }
  return new MirrordError(
    'CLUSTER_UNREACHABLE',
    `The API server ${server.origin} of context "${contextName}" cannot be reached: ${describeNetwork(error)}.`,
    {
      hint: 'Check that the cluster runs and that a VPN it needs is connected: kubectl get pods',
      cause: error,
      details,
    },
  );
}

/** An AggregateError of happy eyeballs has an empty message; its parts say what happened. */
function describeNetwork(error: unknown): string {
  const { errors, code, message } = error as AggregateError & { code?: string };
  if (Array.isArray(errors) && errors.length > 0) return errors.map((part) => part.message).join('; ');
  return message || code || String(error);
}
