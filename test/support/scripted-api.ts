import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type WebSocket from 'ws';
import { WebSocketServer } from 'ws';
import { createCertificate } from './certificate';

export interface ScriptedRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: any;
  /** Common name of the certificate that the client has shown. */
  certificate: string | undefined;
  /** The name it asked for when TLS began. */
  servername: string | undefined;
}
export type Handler = (request: ScriptedRequest, response: ServerResponse) => unknown;
/** Plays a pod's side of one port-forward. It has been upgraded; nothing was sent. */
export type ForwardHandler = (socket: WebSocket, ports: string) => void;

/** An API server over TLS that answers exactly what a test tells it to, and 404 to all else. */
export class ScriptedApi {
  readonly requests: ScriptedRequest[] = [];
  /** TCP connections that were ever made to it. */
  connections = 0;
  ca = '';
  kubeconfig = '';
  port = 0;
  forward: ForwardHandler = (socket) => echo(socket);
  /** Takes upgrades before anything else does; true = it is dealt with. */
  onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => boolean = () => false;
  /** Answers an upgrade instead of accepting it. */
  refuseUpgrade: { status: number; body: string } | undefined;
  #routes = new Map<string, Handler>();
  #folder = mkdtempSync(join(tmpdir(), 'mirrord-kube-'));
  #sockets = new Set<Socket>();
  #close = () => {};

  static async start(): Promise<ScriptedApi> {
    const api = new ScriptedApi();
    const { cert, key, ca } = await createCertificate();
    const asking = { requestCert: true, rejectUnauthorized: false };
    const server = createServer({ cert, key, ...asking }, (request, response) => api.#answer(request, response));
    const upgrader = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has('v4.channel.k8s.io') ? 'v4.channel.k8s.io' : false),
    });
    server.on('connection', (socket: Socket) => {
      api.connections++;
      api.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => api.#sockets.delete(socket));
    });
    server.on('upgrade', (request, socket, head) => api.#upgrade(upgrader, request, socket as Socket, head));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    api.port = (server.address() as AddressInfo).port;
    api.ca = ca;
    api.kubeconfig = api.writeKubeconfig();
    api.#close = () => {
      server.close();
      upgrader.close();
    };
    return api;
  }

  /** `on('GET /api/v1/…', handler)`: a handler's returned object is sent as JSON. Later calls replace earlier ones. */
  on(route: string, handler: Handler): this {
    this.#routes.set(route, handler);
    return this;
  }

  count(method: string, path: RegExp): number {
    return this.requests.filter((request) => request.method === method && path.test(request.path)).length;
  }

  /** Writes a kubeconfig for this server and gives its path. */
  writeKubeconfig(
    options: { cluster?: object; user?: object; context?: object; name?: string; server?: string } = {},
  ): string {
    const config = {
      'current-context': 'test',
      clusters: [
        {
          name: 'c',
          cluster: {
            server: options.server ?? `https://127.0.0.1:${this.port}`,
            'certificate-authority-data': Buffer.from(this.ca).toString('base64'),
            ...options.cluster,
          },
        },
      ],
      users: [{ name: 'u', user: options.user ?? { token: 'test-token' } }],
      contexts: [{ name: 'test', context: { cluster: 'c', user: 'u', ...options.context } }],
    };
    const path = join(this.#folder, options.name ?? 'config');
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  get folder(): string {
    return this.#folder;
  }

  async stop(): Promise<void> {
    this.#close();
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await this.#record(incoming);
    const handler = this.#routes.get(`${request.method} ${request.path}`) ?? this.#routes.get(`${request.method} *`);
    const result = await (handler
      ? handler(request, response)
      : status(response, 404, 'NotFound', `${request.path} not found`));
    if (result === undefined || response.headersSent) return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(result));
  }

  async #record(incoming: IncomingMessage): Promise<ScriptedRequest> {
    const url = new URL(incoming.url ?? '/', 'https://api');
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const request = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: text ? JSON.parse(text) : undefined,
      ...whoAsks(incoming),
    };
    this.requests.push(request);
    return request;
  }

  #upgrade(upgrader: WebSocketServer, request: IncomingMessage, socket: Socket, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'https://api');
    this.requests.push({
      method: 'UPGRADE',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: undefined,
      ...whoAsks(request),
    });
    if (this.onUpgrade(request, socket, head)) return;
    if (this.refuseUpgrade) {
      const { status: code, body } = this.refuseUpgrade;
      socket.end(
        `HTTP/1.1 ${code} No\r\nContent-Length: ${Buffer.byteLength(body)}\r\nContent-Type: application/json\r\n\r\n${body}`,
      );
      return;
    }
    upgrader.handleUpgrade(request, socket, head, (accepted) =>
      this.forward(accepted, url.searchParams.get('ports') ?? ''),
    );
  }
}

function whoAsks({ socket }: IncomingMessage) {
  const { servername } = socket as TLSSocket & { servername?: string | false };
  const { subject } = (socket as TLSSocket).getPeerCertificate() ?? {};
  return { certificate: subject?.CN as string | undefined, servername: servername || undefined };
}

/** Sends a Status object as a real API server does. */
export function status(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers: object = {},
): undefined {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code }));
  return undefined;
}

/** Tells the port on both channels, as the kubelet does before anything else. */
export function sendPorts(socket: WebSocket, port = 30_000): void {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  for (const channel of [0, 1]) socket.send(Buffer.concat([Buffer.from([channel]), bytes]));
}

export function echo(socket: WebSocket): void {
  sendPorts(socket);
  socket.on('message', (message) => socket.send(message));
}

/** A port where nothing listens: text on the error channel, then the close. `silent` leaves the text out, which happens. */
export function refuse(socket: WebSocket, silent = false): void {
  sendPorts(socket);
  if (!silent) socket.send(Buffer.from('\x01error forwarding port: connect: connection refused'));
  socket.close(1000);
}

/** Answers a request with a stream of watch events that the test goes on writing. */
export function startWatch(response: ServerResponse): (type: string, object: unknown) => void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  return (type, object) => response.write(`${JSON.stringify({ type, object })}\n`);
}
