import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { MirrordError } from '../errors';
import { networkError } from './api-errors';
import { type Credentials, resolveCredentials } from './credentials';
import { dataOrFile } from './data-or-file';
import { type ForwardForm, forwardForms } from './forward-form';
import { inClusterContext } from './in-cluster';
import { type ChosenContext, chooseContext, type Kubeconfig, kubeconfigPaths } from './kubeconfig';
import { chooseProxy, connectThroughProxy } from './proxy';
import { type Lookup, resolveOnce } from './server-address';

/** What it takes to reach the API server. */
export interface ClusterAccess {
  kubeconfig: string | undefined;
  context: string | undefined;
  acceptInvalidCertificates: boolean;
  /** What the kubeconfig holds, where somebody has just read it. */
  read?: Kubeconfig;
}

/** A resolved cluster: where it is, who we are, and the connections that are open to it. */
export interface Cluster {
  /** Base URL without a slash at its end; may have a path. */
  server: URL;
  contextName: string;
  /** Namespace of the context; `default` when it names none. */
  namespace: string;
  secure: boolean;
  agent: HttpAgent;
  headers(): Record<string, string>;
  /** Before a request: renews credentials that are known to expire within half a minute, and files that grow old. */
  keepFresh(): Promise<void>;
  /**
   * Reads credentials again, after a 401: files are rotated, plugins give short-lived tokens, and the user may have logged in
   * again, which is a change of the kubeconfig itself.
   */
  renewCredentials(): Promise<void>;
  /** Forms of port-forward to try, in order; one that works moves to the front. */
  forwardForms: ForwardForm[];
  /** Says a line to the user, while somebody shows progress. */
  tell(text: string): void;
  close(): void;
}

/** Milliseconds for a TCP connection, the proxy's answer and TLS, each. */
export const CONNECT_TIMEOUT = 15_000;

/**
 * Reads the kubeconfig, resolves credentials and the server's name. Opens no connection yet.
 *
 * @param accountFolder where a pod's service account is; other than usual in tests
 * @throws MirrordError KUBECONFIG_*, KUBE_*, CLUSTER_UNREACHABLE
 */
export async function openCluster(
  access: ClusterAccess,
  env: NodeJS.ProcessEnv = process.env,
  accountFolder?: string,
): Promise<Cluster> {
  const context = await findContext(access, env, accountFolder);
  const server = parseServer(context);
  const secure = server.protocol === 'https:';
  const proxy = chooseProxy(server, context.cluster['proxy-url'], env);
  const dialled = (proxy ?? server).hostname.replace(/^\[|\]$/g, '');
  const [found, lookup] = await Promise.all([
    resolveCredentials(context, env),
    resolveOnce(dialled).catch((error) => {
      throw networkError(error, server, context.name);
    }),
  ]);
  let credentials: Credentials = found;
  let renewing: Promise<void> | undefined;
  // Several requests learn of it at once; a plug-in that opens a browser must run once.
  const renew = () => {
    renewing ??= readAgain(access, env, context)
      .then((again) => resolveCredentials(again, env))
      .then((fresh) => {
        credentials = fresh;
      })
      .finally(() => {
        renewing = undefined;
      });
    return renewing;
  };
  const agent = createAgent({ access, context, server, secure, proxy, lookup, current: () => credentials });
  return {
    server,
    contextName: context.name,
    namespace: context.namespace ?? 'default',
    secure,
    agent,
    headers: () => ({ ...credentials.headers }),
    keepFresh: async () => {
      const { refreshAt = Number.POSITIVE_INFINITY, expiresAt = Number.POSITIVE_INFINITY } = credentials;
      if (Date.now() < refreshAt) return;
      await renew().catch((error) => {
        if (Date.now() >= expiresAt) throw error;
      });
    },
    renewCredentials: renew,
    forwardForms: forwardForms(env),
    tell: () => {},
    close: () => agent.destroy(),
  };
}

async function findContext(
  access: ClusterAccess,
  env: NodeJS.ProcessEnv,
  accountFolder?: string,
): Promise<ChosenContext> {
  const paths = kubeconfigPaths(access.kubeconfig, env);
  const kubeconfig = access.read ?? (await import('./read-kubeconfig')).readKubeconfig(paths);
  if (kubeconfig) return chooseContext(kubeconfig, access.context);
  const asked = access.kubeconfig !== undefined || access.context !== undefined;
  const inCluster = asked ? undefined : inClusterContext(env, accountFolder);
  if (inCluster) return inCluster;
  throw new MirrordError('KUBECONFIG_NOT_FOUND', `There is no kubeconfig: ${paths.join(', ')} does not exist.`, {
    hint: 'Name one with MIRRORD_KUBECONFIG, KUBECONFIG or "kubeconfig" in the configuration file.',
    details: { paths },
  });
}

/** The context as its files say it now; as it was, where they cannot be read or say it no more. */
async function readAgain(access: ClusterAccess, env: NodeJS.ProcessEnv, before: ChosenContext): Promise<ChosenContext> {
  try {
    const context = access.context ?? before.name;
    return { ...before, ...pick(await findContext({ ...access, context, read: undefined }, env)) };
  } catch {
    return before;
  }
}

/** The server and the way to it stay those of the session. */
const pick = ({ user, userFile }: ChosenContext) => ({ user, userFile });

function parseServer({ cluster, name }: ChosenContext): URL {
  try {
    const url = new URL(cluster.server);
    if (url.protocol === 'https:' || url.protocol === 'http:') return url;
  } catch {
    // Said below, as for a URL of another scheme.
  }
  // What stands before an @ is a name and a password, whatever the rest looks like.
  const shown = cluster.server.replace(/^.*@/s, '…@');
  throw new MirrordError('KUBECONFIG_INVALID', `The server of context "${name}" is not a URL: "${shown}".`, {
    hint: 'It should look like https://api.example.com:6443.',
  });
}

interface AgentParts {
  access: ClusterAccess;
  context: ChosenContext;
  server: URL;
  secure: boolean;
  proxy: URL | undefined;
  lookup: Lookup;
  current: () => Credentials;
}

/** One pool for requests and upgrades, so that a port-forward can begin on a connection that is warm. */
function createAgent({ access, context, server, secure, proxy, lookup, current }: AgentParts): HttpAgent {
  const options = { keepAlive: true, maxFreeSockets: 4, lookup, noDelay: true } as AgentOptions;
  if (!secure && !proxy) return new HttpAgent(options);
  const { cluster } = context;
  const tls = {
    ca: dataOrFile(cluster, 'certificate-authority'),
    servername: cluster['tls-server-name'] || undefined,
    rejectUnauthorized: !(access.acceptInvalidCertificates || cluster['insecure-skip-tls-verify'] === true),
  };
  const agent: any = secure ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  const add = agent.addRequest;
  // Read per request: they may have been renewed, and a kept connection that has shown others goes on being who that was.
  agent.addRequest = function (request: unknown, given: object) {
    const { cert, key } = current();
    add.call(this, request, { ...given, ...(secure && { cert, key }) });
  };
  if (!proxy) return agent;
  agent.createConnection = (given: any, callback: (error: Error | null, socket?: unknown) => void) => {
    const port = Number(server.port || (secure ? 443 : 80));
    connectThroughProxy(proxy, server.hostname.replace(/^\[|\]$/g, ''), port, { lookup, timeoutMs: CONNECT_TIMEOUT })
      .then((socket) => callback(null, secure ? tlsConnect({ ...given, socket }) : socket))
      .catch(callback);
    return undefined;
  };
  return agent;
}
