import { MirrordError } from '../errors';
import { basic } from './basic';
import { dataOrFile, readNamedFile } from './data-or-file';
import type { ChosenContext, Entry } from './kubeconfig';

/** How requests prove who they are. Never logged. */
export interface Credentials {
  headers: Record<string, string>;
  cert?: string | Buffer;
  key?: string | Buffer;
  /** Milliseconds since the epoch from which on they should be resolved again; undefined = never. */
  refreshAt?: number;
  /** Milliseconds since the epoch; undefined = not known. */
  expiresAt?: number;
}

/** Milliseconds after which a token file is read again: kubelets and agents renew such files long before they expire. */
const FILE_AGE = 60_000;

/**
 * Credentials of a kubeconfig's user.
 *
 * @throws MirrordError KUBECONFIG_INVALID, KUBE_CREDENTIALS_FAILED
 */
export async function resolveCredentials(context: ChosenContext, env: NodeJS.ProcessEnv): Promise<Credentials> {
  const { user } = context;
  const impersonation = impersonationHeaders(user);
  if (user.exec || user['auth-provider']) {
    const credentials = await resolveByPlugin(context, env);
    return { ...credentials, headers: { ...credentials.headers, ...impersonation } };
  }
  const headers: Record<string, string> = impersonation;
  // kubectl prefers the file: its content is renewed while the literal grows old.
  const token = user.tokenFile ? String(readNamedFile(user.tokenFile, 'tokenFile')).trim() : user.token;
  if (token) headers.authorization = `Bearer ${token}`;
  else if (user.username) headers.authorization = `Basic ${basic(user.username, user.password ?? '')}`;
  return {
    headers,
    cert: dataOrFile(user, 'client-certificate'),
    key: dataOrFile(user, 'client-key'),
    refreshAt: user.tokenFile ? Date.now() + FILE_AGE : undefined,
  };
}

function impersonationHeaders(user: Entry): Record<string, string> {
  return {
    ...(user.as && { 'impersonate-user': String(user.as) }),
    ...(user['as-uid'] && { 'impersonate-uid': String(user['as-uid']) }),
    ...(user['as-groups']?.length && { 'impersonate-group': user['as-groups'] }),
    ...Object.fromEntries(
      Object.entries(user['as-user-extra'] ?? {}).map(([key, values]) => [
        `impersonate-extra-${encodeURIComponent(key.toLowerCase())}`,
        (Array.isArray(values) ? values : [values]) as unknown as string,
      ]),
    ),
  };
}

async function resolveByPlugin(context: ChosenContext, env: NodeJS.ProcessEnv): Promise<Credentials> {
  const { exec, 'auth-provider': provider } = context.user;
  const plugin = exec ? `the plugin "${exec.command}"` : `the auth provider "${provider.name}"`;
  try {
    if (exec) return await (await import('./exec-plugin')).runExecPlugin(context);
    if (provider.name === 'oidc') return await (await import('./oidc')).oidcCredentials(context, env);
    throw new Error(`kubectl has none of that name since 1.26. ${SUCCESSORS[provider.name] ?? ''}`.trim());
  } catch (cause) {
    throw new MirrordError(
      'KUBE_CREDENTIALS_FAILED',
      `No credentials for context "${context.name}": ${plugin} failed: ${(cause as Error).message}`,
      { hint: 'Log in again in a terminal, and check with: kubectl get pods', cause },
    );
  }
}

const SUCCESSORS: Record<string, string> = {
  gcp: 'Use gke-gcloud-auth-plugin: gcloud container clusters get-credentials CLUSTER',
  azure: 'Use kubelogin: kubelogin convert-kubeconfig',
};
