import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * The first of some ports in a row that are free on every address of this machine, where others test as well: none that the system
 * gives away to whoever connects, nor of those on which an agent takes connections.
 */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const base = randomInt(20_000, 30_000);
    const servers = Array.from({ length: count }, () => createServer());
    const listening = servers.map((server, index) => once(server.listen(base + index), 'listening'));
    const all = await Promise.allSettled(listening);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    if (all.every(({ status }) => status === 'fulfilled')) return base;
  }
}
