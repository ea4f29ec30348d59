import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import type { MetricsAddress } from './arguments';
import type { Log } from './log';

/** Names and meanings as other agents of this kind have them, so that dashboards fit. */
const HELP = {
  client_count: 'Sessions of clients, live or waiting for their link to come back',
  mirror_port_subscription_count: 'Subscriptions that mirror a port',
  steal_unfiltered_port_subscription_count: 'Subscriptions that steal a port whole',
  steal_filtered_port_subscription_count: 'Subscriptions that steal requests by a filter',
  redirected_connections_count: 'Connections to the pod that are taken at the moment',
  tcp_outgoing_connection_count: 'Connections made for clients that are open at the moment',
};

export type Counts = Record<keyof typeof HELP, number>;

/** Undefined where the address cannot be had: an agent without metrics is better than none. */
export function listenForMetrics({ host, port }: MetricsAddress, log: Log): Promise<Server | undefined> {
  // Unread: the process that counts may be another one.
  const server = createServer({ pauseOnConnect: true });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      log.warn(`no metrics: cannot listen on ${host} port ${port}: ${error.code}`);
      resolve(undefined);
    });
    server.listen(port, host, () => {
      const address = server.address() as { port: number };
      log.info(`metrics on ${host} port ${address.port}`, { metricsPort: address.port });
      resolve(server);
    });
  });
}

/** Answers `GET /metrics` in the text form of Prometheus. */
export function serveMetrics(listener: Server, count: () => Counts): void {
  const http = createHttpServer((request, response) => {
    request.resume();
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4', connection: 'close' });
    response.end(metricsText(count()));
  });
  listener.maxConnections = 16;
  listener.on('error', () => {});
  listener.on('connection', (socket) => {
    http.emit('connection', socket);
    socket.resume();
  });
}

function metricsText(counts: Counts): string {
  const entries = Object.entries(HELP) as [keyof Counts, string][];
  return entries
    .map(([name, help]) => {
      const full = `mirrord_agent_${name}`;
      return `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${full} ${counts[name]}\n`;
    })
    .join('');
}
