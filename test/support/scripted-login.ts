import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createCertificate } from './certificate';

const part = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url');

/** An id-token that expires in so many seconds; nobody checks its signature, which tells one from another. */
export function identityToken(seconds: number, signature = 'signature'): string {
  return `${part({ alg: 'RS256' })}.${part({ sub: 'dev', exp: Math.floor(Date.now() / 1000) + seconds })}.${signature}`;
}

export interface LoginRequest {
  method: string;
  path: string;
  authorization: string | undefined;
  form: Record<string, string>;
}

/** A login provider (OpenID Connect) over TLS: discovery and a token endpoint, as a test tells it. */
export interface ScriptedLogin {
  issuer: string;
  port: number;
  ca: string;
  requests: LoginRequest[];
  /** What discovery says beside the token endpoint, or instead of it. */
  discovery: Record<string, unknown>;
  token(request: LoginRequest): { status?: number; body: unknown };
  stop(): void;
}

/** @param host in the issuer's address; its certificate is for it */
export async function startLogin(host = '127.0.0.1'): Promise<ScriptedLogin> {
  const { cert, key, ca } = await createCertificate(['127.0.0.1', 'login.example.test']);
  const server = createServer({ cert, key }, async (incoming, response) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      authorization: incoming.headers.authorization,
      form: Object.fromEntries(new URLSearchParams(text)),
    };
    login.requests.push(request);
    const { status = 200, body } =
      request.path === '/realm/.well-known/openid-configuration'
        ? { body: login.discovery }
        : request.path === '/realm/token'
          ? login.token(request)
          : { status: 404, body: 'nothing here' };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = `https://${host}:${port}/realm`;
  const login: ScriptedLogin = {
    issuer,
    port,
    ca,
    requests: [],
    discovery: { issuer, token_endpoint: `${issuer}/token` },
    token: () => ({ body: { id_token: identityToken(3600, 'fresh'), refresh_token: 'refresh-2' } }),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
  return login;
}
