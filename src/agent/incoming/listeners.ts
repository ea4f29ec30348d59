import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { SocketAddress } from '../../protocol/contract';
import type { Redirect } from './rules/rules';

/** Connections that the kernel holds until they are accepted: a burst must not be turned away. */
const BACKLOG = 4096;

/** What stands behind one taken port: a listener for each address of the pod, and one for each loopback. */
export interface PortListeners {
  redirects: Redirect[];
  /** Connections that are accepted already go on. */
  close(): void;
}

/** @param onConnection The connection, unread, with what its client connected to. */
export async function listenForPort(
  port: number,
  onConnection: (socket: Socket, podAddress: SocketAddress) => void,
): Promise<PortListeners> {
  const servers: Server[] = [];
  const redirects: Redirect[] = [];
  const close = () => {
    for (const server of servers) server.close();
  };
  try {
    for (const [index, { address, family }] of podAddresses().entries()) {
      const known = address === 'loopback' ? (family === 4 ? '127.0.0.1' : '::1') : address;
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
        onConnection(socket, { address: known, port, family }),
      );
      servers.push(server);
      redirects.push({ port, address, family, listener: await listenNear(usualPort(port, index), server, family) });
    }
  } catch (error) {
    close();
    throw error;
  }
  return { redirects, close };
}

/** Above what systems give to outgoing connections, and where servers hardly ever are. */
const FIRST_USUAL = 61_000;
const USUAL = 65_536 - FIRST_USUAL;

/**
 * The same for every agent. After one was killed the kernel goes on remembering its connections, and sends a caller who comes
 * again from the port of such a one to where that was redirected, as soon as there are rules again.
 */
const usualPort = (port: number, index: number): number => FIRST_USUAL + ((port * 8 + index) % USUAL);

/** On that port, or, when somebody has it, on any. */
async function listenNear(port: number, server: Server, family: 4 | 6): Promise<number> {
  try {
    return await listen(port, server, family);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return listen(0, server, family);
  }
}

/** A redirect goes to whatever address the packet's device has, so the listener takes all of them. */
function listen(port: number, server: Server, family: 4 | 6): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: family === 4 ? '0.0.0.0' : '::', ipv6Only: family === 6, backlog: BACKLOG }, () => {
      // A full table of descriptors fails an accept, and must not end the agent.
      server.off('error', reject).on('error', () => {});
      resolve((server.address() as { port: number }).port);
    });
  });
}

function podAddresses(): Pick<Redirect, 'address' | 'family'>[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const found = all
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address, family }) => ({ address, family: family === 'IPv6' ? (6 as const) : (4 as const) }));
  const loopbacks = [...new Set(all.filter(({ internal }) => internal).map(({ family }) => family))].map((family) => ({
    address: 'loopback',
    family: family === 'IPv6' ? (6 as const) : (4 as const),
  }));
  return [...found, ...loopbacks];
}
