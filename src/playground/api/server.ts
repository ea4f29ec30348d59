import { randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { RESOURCES } from '../resources';
import { createServerCertificate } from '../tls';
import type { NodeStreams, Store } from '../types';
import { createWatchLog, newestRevision } from '../watch-log';
import { authenticate } from './authenticate';
import { createAuthorizer, type DenyRule } from './authorize';
import type { ApiContext } from './context';
import { dispatch } from './dispatch';
import { sendError } from './respond';
import { publishRootCa } from './root-ca';
import { createUpgradeHandler } from './streams/upgrade';

export type { DenyRule } from './authorize';
export { kubeconfigFor } from './kubeconfig';

const GIT_VERSION = 'v1.32.0+playground';
const CERTIFICATE_NAMES = {
  dns: [
    'localhost',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ],
  ip: ['127.0.0.1', '10.96.0.1'],
};

export interface ApiServerOptions {
  store: Store;
  /** What serves exec, attach, logs and port-forward. */
  streams: NodeStreams;
  /** A listening socket that was inherited; without it, `port` of 127.0.0.1 is used. */
  listenFd?: number;
  /** 0 or nothing: any free port. */
  port?: number;
  deny?: DenyRule[];
  gitVersion?: string;
}

export interface ApiServer {
  caPem: string;
  /** Bearer token, 256 random bits in hex. */
  token: string;
  port: number;
  /** Serves one more connection, whose TLS has not begun: how pods reach the server, which listens outside of their network. */
  accept(socket: Socket): void;
  /** Ends every connection, watches and streams too. */
  close(): Promise<void>;
}

/** Serves the store over HTTPS as a Kubernetes API server does. Rejects when it cannot listen. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, streams, gitVersion = GIT_VERSION } = options;
  const token = randomBytes(32).toString('hex');
  const { caPem, certPem, keyPem } = await createServerCertificate(CERTIFICATE_NAMES);
  const authorizer = createAuthorizer(store, options.deny);
  const log = createWatchLog(store, { start: newestRevision(store, RESOURCES) });
  const context: ApiContext = { store, streams, authorizer, log, gitVersion };

  const server = createServer({ key: keyPem, cert: certPem, minVersion: 'TLSv1.2', noDelay: true, requestTimeout: 0 });
  server.keepAliveTimeout = 60_000;
  server.on('request', (request, response) => {
    response.on('error', () => response.destroy());
    serve().catch((error: unknown) => sendError(response, error));
    async function serve(): Promise<void> {
      await dispatch(context, request, response, authenticate(request, token) === 'anonymous');
    }
  });
  server.on('upgrade', createUpgradeHandler(context, token));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const where =
      options.listenFd === undefined ? { host: '127.0.0.1', port: options.port ?? 0 } : { fd: options.listenFd };
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const unpublish = publishRootCa(store, caPem);

  return {
    caPem,
    token,
    port: (server.address() as AddressInfo).port,
    accept: (socket) => void server.emit('connection', socket),
    async close() {
      unpublish();
      authorizer.close();
      log.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
