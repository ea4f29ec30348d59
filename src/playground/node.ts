import 'reflect-metadata';
import { createServer } from 'node:net';
import { cpus, release, totalmem } from 'node:os';
import { formatError } from '../errors';
import { AddressPool, API_SERVICE_ADDRESS } from './addresses';
import { type ApiServer, kubeconfigFor, startApiServer } from './api/server';
import { startControllers } from './controllers';
import { startDnsServer } from './dns-server';
import { Kubelet } from './kubelet';
import { hasIPv6, setUpNode } from './node-network';
import { createNodeObjects } from './node-objects';
import type { NodeSettings } from './node-settings';
import type { Credentials } from './service-account';
import { ServiceProxy } from './service-proxy';
import { createStore } from './store';
import { createStreams } from './streams';

/** Descriptor of the listening socket, made on the host's loopback and inherited. */
const LISTEN_FD = 3;

/**
 * The playground's node: everything of the cluster in one process, inside the namespaces that the launcher made. It lives as long as
 * its stdin is open, so that it cannot outlive the one who started it, however that one ends.
 */
async function main(settings: NodeSettings): Promise<void> {
  const capacity = { cpu: cpus().length, memory: totalmem() };
  const store = createStore();
  const dualStack = settings.ipv6 !== false && hasIPv6();
  const addresses = new AddressPool(dualStack);
  createNodeObjects(store, { capacity, kernel: release(), dualStack });
  const credentials: Credentials = { token: '', caPem: '' };
  await setUpNode(dualStack);
  const proxy = new ServiceProxy(store);
  const imageOptions = { agentBundle: settings.agentBundle };
  const services = { store, addresses, proxy, capacity, imageOptions, credentials };
  const kubelet = new Kubelet(services);
  const [api] = await Promise.all([
    startApiServer({ store, streams: createStreams(kubelet), listenFd: LISTEN_FD, deny: settings.deny }),
    startDnsServer(store),
    proxy.flush(),
  ]);
  Object.assign(credentials, { token: api.token, caPem: api.caPem });
  await serveToPods(api);
  startControllers({ store });
  const { port } = settings;
  const kubeconfig = kubeconfigFor({ caPem: api.caPem, token: api.token, port });
  process.stdout.write(`${JSON.stringify({ ready: true, port, kubeconfig })}\n`);
}

/** The API server's socket was made outside of the cluster's network; inside it is reached at its service's address. */
function serveToPods(api: ApiServer): Promise<void> {
  const server = createServer((socket) => api.accept(socket));
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(443, API_SERVICE_ADDRESS, resolve);
  });
}

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0));
process.stdin.resume();
process.on('SIGTERM', () => process.exit(0));
// A failure in one pod's stream must not take the cluster down; it is told and the cluster goes on.
process.on('uncaughtException', (error) => console.error('playground:', error));
process.on('unhandledRejection', (error) => console.error('playground:', error));

main(JSON.parse(process.argv[2] ?? '{}') as NodeSettings).catch((error) => {
  console.error(`playground: ${formatError(error)}`);
  process.exit(1);
});
