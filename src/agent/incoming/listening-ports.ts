import { readdir, readFile, readlink } from 'node:fs/promises';

const LISTEN = '0A';

/** Ports that somebody in this network namespace listens on over TCP, ascending. This process itself does not count. */
export async function listeningPorts(): Promise<number[]> {
  const [own, ...tables] = await Promise.all([ownSockets(), readTable('tcp'), readTable('tcp6')]);
  const ports = new Set<number>();
  for (const line of tables.flat()) {
    const [, address = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state === LISTEN && !own.has(inode)) ports.add(Number.parseInt(address.slice(-4), 16));
  }
  return [...ports].sort((a, b) => a - b);
}

async function readTable(name: string): Promise<string[]> {
  // A kernel without IPv6 has no table for it.
  const text = await readFile(`/proc/net/${name}`, 'latin1').catch(() => '');
  return text.split('\n').slice(1);
}

async function ownSockets(): Promise<Set<string>> {
  const names = await readdir('/proc/self/fd').catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? ''));
}
