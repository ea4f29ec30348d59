import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { sweepScript } from './iptables-text';

const LIMIT_MS = 10_000;

/**
 * Takes away what agents that were killed have left in iptables. Rules of those who live stay: each holds a socket that bears
 * its id. Never rejects, and does nothing where there is no iptables.
 *
 * @param enter The command that enters the network namespace; none for one's own.
 */
export function sweep(enter: string[] = []): Promise<void> {
  const [command, ...args] = [...enter, 'sh', '-c', sweepScript()];
  return new Promise((resolve) => {
    execFile(command!, args, { timeout: LIMIT_MS }, () => resolve());
  });
}

/** As long as it is open the rules of that id are in use, for all who look from the same network namespace. */
export function showInUse(id: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject).listen(`\0mirrord-rules-${id}`, () => resolve(server.unref()));
  });
}
