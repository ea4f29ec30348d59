import { get, type RequestOptions } from 'node:http';
import { get as getSecure } from 'node:https';
import { connect } from 'node:net';

export interface ProbeResult {
  ok: boolean;
  /** What the kubelet would say: `Get "http://…": dial tcp …: connect: connection refused`. */
  message: string;
}

export interface ProbeTarget {
  address: string;
  ports: any[];
  /** Runs a command in the container; resolves with its exit code and what it printed. */
  exec(command: string[], timeout: number): Promise<{ code: number; output: string }>;
}

const failure = (message: string): ProbeResult => ({ ok: false, message });
const success: ProbeResult = { ok: true, message: '' };

/** One check of a probe's handler, with its own time limit. Never rejects. */
export async function checkProbe(probe: any, target: ProbeTarget): Promise<ProbeResult> {
  const timeout = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.httpGet) return checkHttp(probe.httpGet, target, timeout);
  if (probe.tcpSocket) {
    const host = probe.tcpSocket.host || target.address;
    return checkTcp(host, portNumber(probe.tcpSocket.port, target.ports), timeout);
  }
  if (probe.exec) {
    try {
      const { code, output } = await target.exec(probe.exec.command ?? [], timeout);
      return code === 0 ? success : failure(output.slice(0, 1024));
    } catch (error) {
      return failure((error as Error).message);
    }
  }
  if (probe.grpc) return checkTcp(target.address, probe.grpc.port, timeout);
  return failure('missing probe handler');
}

/** A port given by number or by the name of one of the container's ports; 0 when there is none of that name. */
export function portNumber(port: number | string, ports: any[]): number {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  return ports.find((one) => one.name === port)?.containerPort ?? 0;
}

function checkTcp(host: string, port: number, timeout: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (result: ProbeResult) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeout, () => finish(failure(`dial tcp ${host}:${port}: i/o timeout`)));
    socket.once('connect', () => finish(success));
    socket.once('error', (error) => finish(failure(describe(error, host, port))));
  });
}

function checkHttp(action: any, target: ProbeTarget, timeout: number): Promise<ProbeResult> {
  const host = action.host || target.address;
  const port = portNumber(action.port, target.ports);
  const scheme = (action.scheme ?? 'HTTP').toLowerCase();
  const path = action.path ?? '/';
  const url = `${scheme}://${host}:${port}${path.startsWith('/') ? '' : '/'}${path}`;
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.32', Accept: '*/*', Connection: 'close' };
  for (const { name, value } of action.httpHeaders ?? []) headers[name] = value;
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    headers,
    agent: false,
    rejectUnauthorized: false,
  };
  return new Promise((resolve) => {
    const finish = (result: ProbeResult) => {
      clearTimeout(timer);
      request.destroy();
      resolve(result);
    };
    const timer = setTimeout(
      () => finish(failure(`Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`)),
      timeout,
    );
    const request = (scheme === 'https' ? getSecure : get)(url, options, (response) => {
      const status = response.statusCode ?? 0;
      finish(status >= 200 && status < 400 ? success : failure(`HTTP probe failed with statuscode: ${status}`));
    });
    request.on('error', (error) => finish(failure(`Get "${url}": ${describe(error, host, port)}`)));
  });
}

function describe(error: NodeJS.ErrnoException, host: string, port: number): string {
  const texts: Record<string, string> = {
    ECONNREFUSED: `dial tcp ${host}:${port}: connect: connection refused`,
    EHOSTUNREACH: `dial tcp ${host}:${port}: connect: no route to host`,
    ECONNRESET: `read tcp ${host}:${port}: read: connection reset by peer`,
    HPE_INVALID_CONSTANT: 'net/http: HTTP/1.x transport connection broken: malformed HTTP response',
  };
  return texts[error.code ?? ''] ?? error.message;
}
