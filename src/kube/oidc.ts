import { basic } from './basic';
import type { Credentials } from './credentials';
import { dataOrFile } from './data-or-file';
import { expiry } from './expiry';
import type { ChosenContext, Entry } from './kubeconfig';
import { askProvider, type ProviderAccess } from './oidc-request';
import { saveTokens, type Tokens } from './save-tokens';

/** By the refresh token that the kubeconfig still holds: what it was exchanged for, where the file could not be changed. */
const exchanged = new Map<string, Tokens>();

/**
 * The id-token of a kubeconfig's user, exchanged for a new one when it is about to expire. As with kubectl, the new tokens are
 * written back: a provider that takes each refresh token once would log the user out of every other tool otherwise.
 *
 * @throws Error that says in one line what failed, without any token
 */
export async function oidcCredentials({ user, userFile }: ChosenContext, env: NodeJS.ProcessEnv): Promise<Credentials> {
  const config: Entry = user['auth-provider'].config ?? {};
  const held = exchanged.get(config['refresh-token']) ?? {
    idToken: config['id-token'],
    refreshToken: config['refresh-token'],
  };
  if (held.idToken && !isDue(held.idToken)) return credentialsOf(held.idToken);
  const fresh = await exchange(config, held, env);
  if (!saveTokens(userFile, held, fresh) && config['refresh-token']) exchanged.set(config['refresh-token'], fresh);
  return credentialsOf(fresh.idToken!);
}

function credentialsOf(idToken: string): Credentials {
  return { headers: { authorization: `Bearer ${idToken}` }, ...expiry(expiresAt(idToken)) };
}

function isDue(idToken: string): boolean {
  return (expiry(expiresAt(idToken)).refreshAt ?? Number.POSITIVE_INFINITY) <= Date.now();
}

/** Milliseconds since the epoch; undefined for what is no JSON Web Token or does not say. */
function expiresAt(idToken: string): number | undefined {
  try {
    const { exp } = JSON.parse(Buffer.from(idToken.split('.')[1]!, 'base64url').toString('utf8'));
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

async function exchange(config: Entry, held: Tokens, env: NodeJS.ProcessEnv): Promise<Tokens> {
  const { 'idp-issuer-url': issuer, 'client-id': clientId, 'client-secret': secret } = config;
  if (!held.refreshToken) throw new Error('its id-token has expired, and there is no refresh-token to get another');
  if (!issuer || !clientId) throw new Error('its id-token has expired, and it has no idp-issuer-url or client-id');
  const access: ProviderAccess = { ca: dataOrFile(config, 'idp-certificate-authority'), env };
  const discovery = `${String(issuer).replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { token_endpoint: endpoint } = (await askProvider(discovery, access)).body;
  if (typeof endpoint !== 'string') throw new Error(`${discovery} names no token_endpoint`);
  const form = { grant_type: 'refresh_token', refresh_token: held.refreshToken };
  // Providers differ in where they want to read who asks; the header is what the standard prefers.
  const authorization = `Basic ${basic(encodeURIComponent(clientId), encodeURIComponent(secret ?? ''))}`;
  let answer = await askProvider(endpoint, access, { form, authorization }, [400, 401]);
  if (answer.statusCode >= 400 && answer.body.error !== 'invalid_grant') {
    const within = { ...form, client_id: clientId, ...(secret && { client_secret: secret }) };
    answer = await askProvider(endpoint, access, { form: within }, [400, 401]);
  }
  const { id_token, refresh_token, error, error_description } = answer.body;
  if (answer.statusCode >= 400) {
    throw new Error(`${endpoint} refuses the refresh-token: ${[error, error_description].filter(Boolean).join(': ')}`);
  }
  if (typeof id_token !== 'string') throw new Error(`${endpoint} gave no id_token: the login has to ask for "openid"`);
  return { idToken: id_token, refreshToken: typeof refresh_token === 'string' ? refresh_token : held.refreshToken };
}
