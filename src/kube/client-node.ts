/** Entry of the bundle `kube-client`: what only the official Kubernetes client knows. Loaded when a kubeconfig asks for it. */
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Credentials } from './credentials';
import type { ChosenContext, Entry } from './kubeconfig';

/**
 * Asks the user's auth provider (OIDC, GCP, Azure: the forms before exec plugins) for a token, refreshing it when due.
 *
 * @throws whatever the provider's failure is
 */
export async function resolveCredentials(context: ChosenContext): Promise<Credentials> {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'cluster', server: context.cluster.server, skipTLSVerify: false }],
    users: [{ name: 'user', ...camelUser(context.user) }],
    contexts: [{ name: 'context', cluster: 'cluster', user: 'user', namespace: context.namespace }],
    currentContext: 'context',
  });
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
  return { headers, cert: options.cert as Buffer | undefined, key: options.key as Buffer | undefined };
}

function camelUser(user: Entry): Entry {
  return {
    authProvider: user['auth-provider'],
    token: user.token,
    certFile: user['client-certificate'],
    certData: user['client-certificate-data'],
    keyFile: user['client-key'],
    keyData: user['client-key-data'],
  };
}
