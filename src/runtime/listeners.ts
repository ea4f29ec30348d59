import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { readdirSync, unlinkSync, writeFileSync } from '../patches/originals';
import type { ListenerAccess } from './verdict';

export interface ListenerRegistry extends ListenerAccess {
  /** Whether this thread, or another process or thread of the session tree, listens on that port. */
  has(port: number): boolean;
}

/**
 * Ports the app listens on. Development servers talk to processes of their own over loopback, so the whole tree counts: each
 * port is a file in the session's folder, named after who listens. Files answer at once, which a message to another process
 * could not, and a process that was killed is recognised by its id.
 *
 * @param folder the session's own; undefined where there is none: then only this thread counts
 */
export function createListenerRegistry(folder: string | undefined): ListenerRegistry {
  const ports = new Map<number, number>();
  const fileOf = (port: number) => join(folder!, `listen-${port}-${process.pid}-${threadId}`);

  return {
    opened(port) {
      const count = ports.get(port) ?? 0;
      ports.set(port, count + 1);
      if (folder !== undefined && count === 0) attempt(() => writeFileSync(fileOf(port), '', { mode: 0o600 }));
    },
    closed(port) {
      // Several servers may share a port, on different addresses.
      const left = (ports.get(port) ?? 1) - 1;
      if (left > 0) ports.set(port, left);
      else if (ports.delete(port) && folder !== undefined) attempt(() => unlinkSync(fileOf(port)));
    },
    has: (port) => ports.has(port) || (folder !== undefined && isListed(folder, port)),
  };
}

function isListed(folder: string, port: number): boolean {
  const prefix = `listen-${port}-`;
  const files = attempt(() => readdirSync(folder)) ?? [];
  return files.some((file) => file.startsWith(prefix) && isAlive(Number(file.slice(prefix.length).split('-')[0])));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The folder goes with the owner of the session: what is left of the tree then knows only its own ports. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
