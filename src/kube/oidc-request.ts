import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { chooseProxy, connectThroughProxy } from './proxy';
import { readText } from './request';

export interface ProviderAccess {
  ca: Buffer | undefined;
  /** For the proxy. */
  env: NodeJS.ProcessEnv;
}

/** Milliseconds for each answer of the provider. */
const TIMEOUT = 15_000;

/**
 * Asks a login provider: GET, or POST where there is a form.
 *
 * @param accept status codes of failures that are given back
 * @throws Error that names the address and what it answered
 */
export async function askProvider(
  address: string,
  { ca, env }: ProviderAccess,
  sent?: { form: Record<string, string>; authorization?: string },
  accept: number[] = [],
): Promise<{ statusCode: number; body: any }> {
  const url = new URL(address);
  const payload = sent && new URLSearchParams(sent.form).toString();
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const proxy = chooseProxy(url, undefined, env);
  const socket = proxy && (await connectThroughProxy(proxy, host, Number(url.port || (secure ? 443 : 80)), LIMITS));
  const { statusCode, text } = await new Promise<{ statusCode: number; text: string }>((resolve, reject) => {
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      method: sent ? 'POST' : 'GET',
      ...(ca && { ca }),
      // An agent, even none, would not use the connection that there is.
      ...(socket
        ? { createConnection: () => (secure ? tlsConnect({ socket, ca, servername: host }) : socket) }
        : { agent: false }),
      headers: {
        accept: 'application/json',
        ...(sent?.authorization && { authorization: sent.authorization }),
        ...(payload !== undefined && {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(payload),
        }),
      },
      signal: AbortSignal.timeout(TIMEOUT),
    });
    outgoing.once('response', (response) =>
      readText(response, TIMEOUT).then((text) => resolve({ statusCode: response.statusCode ?? 0, text }), reject),
    );
    outgoing.once('error', reject);
    outgoing.end(payload);
  }).catch((error) => {
    const late = error.name === 'AbortError' || error.name === 'TimeoutError';
    throw new Error(`${address}: ${late ? `no answer within ${TIMEOUT / 1000} s` : error.message}`);
  });
  const body = parse(text);
  if (statusCode < 300 && body) return { statusCode, body };
  if (accept.includes(statusCode)) return { statusCode, body: body ?? { error: `status ${statusCode}` } };
  throw new Error(`${address} answered ${statusCode}${body ? '' : ', and not with JSON'}`);
}

const LIMITS = { lookup: undefined, timeoutMs: TIMEOUT };

function parse(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
