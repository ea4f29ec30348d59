import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import { MirrordError } from '../errors';
import { basic } from './basic';
import { connectThroughSocks } from './socks';

/**
 * The proxy for a server: the cluster's own `proxy-url`, else HTTPS_PROXY (HTTP_PROXY for http) unless NO_PROXY names the
 * host. Loopback hosts are never proxied by the environment, as in kubectl.
 *
 * @throws MirrordError KUBE_PROXY_UNSUPPORTED
 */
export function chooseProxy(server: URL, proxyUrl: unknown, env: NodeJS.ProcessEnv): URL | undefined {
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const fromEnv = env[name] || env[name.toLowerCase()];
  const chosen = typeof proxyUrl === 'string' && proxyUrl ? proxyUrl : bypasses(server, env) ? undefined : fromEnv;
  if (!chosen) return undefined;
  const url = parseOrNull(withScheme(chosen));
  if (url && SCHEMES.includes(url.protocol)) return url;
  const where = chosen === proxyUrl ? 'proxy-url of the kubeconfig' : name;
  throw new MirrordError(
    'KUBE_PROXY_UNSUPPORTED',
    `The proxy of ${where} is not an http://, https:// or socks5:// URL.`,
    {
      hint: 'Use an HTTP proxy that allows CONNECT, or a SOCKS5 proxy.',
    },
  );
}

/** With `socks5` the proxy resolves the server's name too, as kubectl and Go do. */
const SCHEMES = ['http:', 'https:', 'socks5:', 'socks5h:'];

const withScheme = (text: string) => (/^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`);

function parseOrNull(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function bypasses(server: URL, env: NodeJS.ProcessEnv): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return true;
  return (env.NO_PROXY || env.no_proxy || '')
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => matches(entry.toLowerCase(), host, server.port || (server.protocol === 'http:' ? '80' : '443')));
}

/** `example.com` and `.example.com` match subdomains; `10.0.0.0/8` matches addresses; `*` matches all; `:port` narrows. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, name = entry, entryPort] = /^([^:]+|\[.+\]):(\d+)$/.exec(entry) ?? [];
  if (entryPort && entryPort !== port) return false;
  if (name.includes('/')) return inSubnet(name, host);
  const suffix = name.replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
  return host === suffix || host.endsWith(`.${suffix}`);
}

function inSubnet(subnet: string, host: string): boolean {
  const [base = '', bits = ''] = subnet.split('/');
  const family = isIP(host) === 6 ? 'ipv6' : 'ipv4';
  if (!isIP(host) || isIP(base) !== isIP(host) || !/^\d+$/.test(bits)) return false;
  const list = new BlockList();
  try {
    list.addSubnet(base, Number(bits), family);
  } catch {
    return false; // More bits than an address has.
  }
  return list.check(host, family);
}

/**
 * A connection to `host:port` through the proxy: by CONNECT, or as SOCKS has it.
 *
 * @param lookup resolves the proxy's own name
 * @throws the system's error, or MirrordError KUBE_PROXY_REFUSED
 */
export function connectThroughProxy(
  proxy: URL,
  host: string,
  port: number,
  options: { lookup: any; timeoutMs: number },
): Promise<Socket> {
  if (proxy.protocol.startsWith('socks')) return connectThroughSocks(proxy, host, port, options);
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const request = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  const proxyHost = proxy.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const connect = (request as typeof httpsRequest)({
      host: proxyHost,
      // Node would take the name for TLS from the Host header, which names the server behind it.
      servername: isIP(proxyHost) ? '' : proxyHost,
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        ...(proxy.username && {
          'proxy-authorization': `Basic ${basic(decodeURIComponent(proxy.username), decodeURIComponent(proxy.password))}`,
        }),
      },
      agent: false,
      lookup: options.lookup,
      timeout: options.timeoutMs,
    });
    connect.once('connect', (response, socket, head) => {
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        socket.setTimeout(0);
        (socket as Socket).setNoDelay(true);
        resolve(socket as Socket);
        return;
      }
      socket.destroy();
      reject(
        new MirrordError(
          'KUBE_PROXY_REFUSED',
          `The proxy ${proxy.host} refused the connection to ${authority}: ${response.statusCode} ${response.statusMessage}.`,
          { hint: 'Check its credentials and rules, or list the API server in NO_PROXY.' },
        ),
      );
    });
    connect.once('timeout', () => connect.destroy(timedOut(proxy, options.timeoutMs)));
    connect.once('error', reject);
    connect.end();
  });
}

function timedOut(proxy: URL, ms: number): Error {
  return Object.assign(new Error(`no answer from the proxy ${proxy.host} within ${ms} ms`), { code: 'ETIMEDOUT' });
}
