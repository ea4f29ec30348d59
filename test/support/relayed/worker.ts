/** The pod's end for the compliance suite: dials from this machine, relays on loopback, resolves by its own DNS server. */
import { promises as dns, lookupService } from 'node:dns';
import net from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker } from './messages';
import { names } from './names';

const { ready, dnsPort } = workerData as { ready: Int32Array; dnsPort: number };
const answer = (message: FromWorker) => parentPort!.postMessage(message);
const resolver = new dns.Resolver({ timeout: 2000, tries: 1 });
if (dnsPort) resolver.setServers([`127.0.0.1:${dnsPort}`]);

const dialled = new Map<number, net.Socket>();
/** By `address:port` they come from. */
const expected = new Map<string, number>();
const early = new Map<string, net.Socket>();

const relay = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
  const source = `${socket.remoteAddress}:${socket.remotePort}`;
  const id = expected.get(source);
  if (id === undefined) early.set(source, socket);
  else splice(id, source, socket);
});
relay.listen(0, '127.0.0.1', () => {
  ready[0] = (relay.address() as net.AddressInfo).port;
  Atomics.notify(ready, 0);
});

function splice(id: number, source: string, socket: net.Socket): void {
  expected.delete(source);
  early.delete(source);
  const remote = dialled.get(id);
  dialled.delete(id);
  if (!remote) return void socket.destroy();
  for (const [from, to] of [
    [socket, remote],
    [remote, socket],
  ] as const) {
    from.on('data', (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => to.end());
    from.on('error', () => to.resetAndDestroy());
    from.on('close', (failed) => !failed && from.readableEnded === false && to.destroy());
    from.resume();
  }
}

function connect({ id, address, port }: ToWorker & { kind: 'connect' }): void {
  const remote = net.connect({ host: address, port, allowHalfOpen: true, noDelay: true });
  dialled.set(id, remote);
  remote.pause();
  let open = false;
  remote.on('error', (error: NodeJS.ErrnoException) => {
    if (!open && dialled.delete(id)) answer({ kind: 'outcome', id, outcome: { ok: false, code: error.code! } });
  });
  remote.on('connect', () => {
    open = true;
    // As the agent answers.
    const end = (address = '', port = 0) => ({
      address,
      port,
      family: net.isIPv6(address) ? (6 as const) : (4 as const),
    });
    const podAddress = end(remote.localAddress, remote.localPort);
    const peerAddress = end(remote.remoteAddress, remote.remotePort);
    answer({ kind: 'outcome', id, outcome: { ok: true, podAddress, peerAddress } });
  });
}

async function run(method: string, params: any): Promise<unknown> {
  if (method === 'dns.lookup') {
    const known = names[params.hostname];
    const wanted = (family: number) => params.family === 0 || params.family === family;
    if (known) return { addresses: known.filter(({ family }) => wanted(family)) };
    const { hostname, family, hints, order } = params;
    return { addresses: await dns.lookup(hostname, { family, hints, all: true, ...{ order } }) };
  }
  if (method === 'dns.lookupService') {
    return new Promise((resolve, reject) =>
      lookupService(params.address, params.port, (error, hostname, service) =>
        error ? reject(error) : resolve({ hostname, service }),
      ),
    );
  }
  if (params.rrtype === 'REVERSE') return { records: await resolver.reverse(params.hostname) };
  if (params.ttl) {
    const query = params.rrtype === 'A' ? resolver.resolve4 : resolver.resolve6;
    return { records: await query.call(resolver, params.hostname, { ttl: true }) };
  }
  return { records: await resolver.resolve(params.hostname, params.rrtype) };
}

parentPort!.on('message', (message: ToWorker) => {
  if (message.kind === 'connect') connect(message);
  if (message.kind === 'announce') {
    const source = `${message.address}:${message.port}`;
    const socket = early.get(source);
    if (socket) splice(message.id, source, socket);
    else expected.set(source, message.id);
  }
  if (message.kind === 'abort') {
    dialled.get(message.id)?.resetAndDestroy();
    dialled.delete(message.id);
  }
  if (message.kind === 'call') {
    const { id } = message;
    run(message.method, message.params).then(
      (result) => answer({ kind: 'result', id, result }),
      ({ code, errno, syscall, hostname }) => answer({ kind: 'failure', id, wire: { code, errno, syscall, hostname } }),
    );
  }
});
