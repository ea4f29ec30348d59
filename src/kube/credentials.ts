import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MirrordError } from '../errors';
import { runExecPlugin } from './exec-plugin';
import type { ChosenContext, Entry } from './kubeconfig';

/** How requests prove who they are. Never logged. */
export interface Credentials {
  headers: Record<string, string>;
  cert?: string | Buffer;
  key?: string | Buffer;
  /** Milliseconds since the epoch; undefined = not known. */
  expiresAt?: number;
}

/** What `client-node.ts` exports; it is a bundle of its own, because most kubeconfigs never need its megabyte. */
export interface ClientNodeBundle {
  resolveCredentials(context: ChosenContext): Promise<Credentials>;
}

/**
 * Credentials of a kubeconfig's user. The old auth providers go through the Kubernetes client, loaded for them only.
 *
 * @throws MirrordError KUBECONFIG_INVALID, KUBE_CREDENTIALS_FAILED
 */
export async function resolveCredentials(context: ChosenContext): Promise<Credentials> {
  const { user } = context;
  const impersonation = impersonationHeaders(user);
  if (user.exec || user['auth-provider']) {
    const credentials = await resolveByPlugin(context);
    return { ...credentials, headers: { ...credentials.headers, ...impersonation } };
  }
  const headers: Record<string, string> = impersonation;
  // kubectl prefers the file: its content is renewed while the literal grows old.
  const token = user.tokenFile ? readText(user.tokenFile, 'tokenFile').trim() : user.token;
  if (token) headers.authorization = `Bearer ${token}`;
  else if (user.username) headers.authorization = `Basic ${basic(user.username, user.password ?? '')}`;
  return {
    headers,
    cert: dataOrFile(user, 'client-certificate'),
    key: dataOrFile(user, 'client-key'),
  };
}

/** A field's inline form (`…-data`, base64) or the content of the file it names. */
export function dataOrFile(entry: Entry, field: string): Buffer | undefined {
  const data = entry[`${field}-data`];
  if (data) return Buffer.from(String(data), 'base64');
  return entry[field] ? Buffer.from(readText(entry[field], field)) : undefined;
}

function readText(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MirrordError(
      'KUBECONFIG_INVALID',
      `The kubeconfig's "${field}" cannot be read: ${(cause as Error).message}.`,
      { hint: 'Correct the path in the kubeconfig; relative paths are taken from its folder.', cause },
    );
  }
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

export function basic(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}

async function resolveByPlugin(context: ChosenContext): Promise<Credentials> {
  const { exec, 'auth-provider': provider } = context.user;
  const plugin = exec ? `the plugin "${exec.command}"` : `the auth provider "${provider.name}"`;
  try {
    if (exec) return await runExecPlugin(context);
    const { resolveCredentials: resolve } = await loadClientNode();
    const credentials = await withTimeout(resolve(context), PROVIDER_TIMEOUT);
    // A provider it does not know gives neither an error nor credentials.
    if (!credentials.headers.authorization && !credentials.cert) throw new Error('it gave no credentials');
    return credentials;
  } catch (cause) {
    throw new MirrordError(
      'KUBE_CREDENTIALS_FAILED',
      `No credentials for context "${context.name}": ${plugin} failed: ${(cause as Error).message}`,
      { hint: 'Log in again in a terminal, and check with: kubectl get pods', cause },
    );
  }
}

/** Milliseconds for a provider to refresh its token. */
const PROVIDER_TIMEOUT = 30_000;

function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function loadClientNode(): Promise<ClientNodeBundle> {
  const folder = typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));
  const built = join(folder, 'kube-client.cjs');
  // A path, not a literal: a bundler would pull the whole client into every bundle.
  const path = existsSync(built) ? built : join(folder, 'client-node.ts');
  const module = await import(pathToFileURL(path).href);
  return module.default?.resolveCredentials ? module.default : module;
}
