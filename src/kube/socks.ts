import { connect, isIP, type Socket } from 'node:net';
import { MirrordError } from '../errors';

const VERSION = 5;
const NO_AUTH = 0;
const PASSWORD = 2;
const REFUSALS: Record<number, string> = {
  1: 'general failure',
  2: 'its rules do not allow it',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'time to live expired',
  7: 'CONNECT is not supported',
  8: 'that kind of address is not supported',
};

export interface SocksOptions {
  /** Resolves the proxy's own name. */
  lookup: any;
  timeoutMs: number;
}

/**
 * A connection to `host:port` through a SOCKS5 proxy (RFC 1928, 1929). The proxy resolves the host, as kubectl has it too.
 *
 * @throws the system's error, or MirrordError KUBE_PROXY_REFUSED
 */
export async function connectThroughSocks(
  proxy: URL,
  host: string,
  port: number,
  { lookup, timeoutMs }: SocksOptions,
): Promise<Socket> {
  const socket = connect({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: Number(proxy.port || 1080),
    lookup,
    noDelay: true,
  });
  const timer = setTimeout(() => {
    const text = `no answer from the proxy ${proxy.host} within ${timeoutMs} ms`;
    socket.destroy(Object.assign(new Error(text), { code: 'ETIMEDOUT' }));
  }, timeoutMs);
  try {
    await greet(socket, proxy);
    await requestConnection(socket, proxy, host, port);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function greet(socket: Socket, proxy: URL): Promise<void> {
  const methods = proxy.username ? [NO_AUTH, PASSWORD] : [NO_AUTH];
  socket.write(Buffer.from([VERSION, methods.length, ...methods]));
  const [version, method] = await read(socket, 2);
  if (version !== VERSION) throw refused(proxy, 'it does not speak SOCKS5');
  if (method === NO_AUTH) return;
  if (method !== PASSWORD || !proxy.username) throw refused(proxy, 'it asks for a login that is not in the URL');
  const parts = [proxy.username, proxy.password].map((text) => Buffer.from(decodeURIComponent(text)).subarray(0, 255));
  socket.write(Buffer.concat([Buffer.from([1]), ...parts.flatMap((part) => [Buffer.from([part.length]), part])]));
  const [, status] = await read(socket, 2);
  if (status !== 0) throw refused(proxy, 'it does not accept the login');
}

async function requestConnection(socket: Socket, proxy: URL, host: string, port: number): Promise<void> {
  socket.write(Buffer.concat([Buffer.from([VERSION, 1, 0]), addressOf(host), Buffer.from([port >> 8, port & 0xff])]));
  const [, status = 1, , type] = await read(socket, 4);
  if (status !== 0) throw refused(proxy, `${host}:${port}: ${REFUSALS[status] ?? `error ${status}`}`);
  // The address it connects from: of no use, but it stands before the first byte of the server.
  const length = type === 3 ? (await read(socket, 1))[0]! : type === 4 ? 16 : 4;
  await read(socket, length + 2);
}

function addressOf(host: string): Buffer {
  const family = isIP(host);
  if (family === 4) return Buffer.from([1, ...host.split('.').map(Number)]);
  if (family === 6) return Buffer.concat([Buffer.from([4]), ipv6Bytes(host)]);
  const name = Buffer.from(host).subarray(0, 255);
  return Buffer.concat([Buffer.from([3, name.length]), name]);
}

function ipv6Bytes(address: string): Buffer {
  // URL writes every IPv6 address in groups of hexadecimal digits, an embedded IPv4 part too.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (part: string | undefined) => (part ? part.split(':').map((word) => Number.parseInt(word, 16)) : []);
  const [before, after] = [words(head), words(tail)];
  const all = [...before, ...new Array(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** Exactly so many bytes; what comes behind them stays in the socket. */
function read(socket: Socket, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off('readable', attempt).off('error', fail).off('close', gone);
    };
    const attempt = () => {
      const bytes = socket.read(count) as Buffer | null;
      if (!bytes || bytes.length < count) return;
      done();
      resolve(bytes);
    };
    const fail = (error: Error) => {
      done();
      reject(error);
    };
    const gone = () => fail(Object.assign(new Error('the proxy closed the connection'), { code: 'ECONNRESET' }));
    socket.on('readable', attempt).on('error', fail).on('close', gone);
    attempt();
  });
}

function refused(proxy: URL, why: string): MirrordError {
  return new MirrordError('KUBE_PROXY_REFUSED', `The proxy ${proxy.host} refused the connection: ${why}.`, {
    hint: 'Check its credentials and rules, or list the API server in NO_PROXY.',
  });
}
