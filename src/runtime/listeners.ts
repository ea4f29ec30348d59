import type { ListenerAccess } from './verdict';

/** Ports this thread listens on; several servers may share one, on different addresses. */
export function createListenerRegistry(): ListenerAccess & { has(port: number): boolean } {
  const ports = new Map<number, number>();
  return {
    opened(port) {
      ports.set(port, (ports.get(port) ?? 0) + 1);
    },
    closed(port) {
      const left = (ports.get(port) ?? 0) - 1;
      if (left > 0) ports.set(port, left);
      else ports.delete(port);
    },
    has: (port) => ports.has(port),
  };
}
