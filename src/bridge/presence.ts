import type { Duplex } from 'node:stream';

/** Who is attached at the moment, by the names they gave. */
export class Presence {
  private readonly connections = new Map<string, Set<Duplex>>();

  /** Notes a connection of that name until it ends. The answer says whether a further one of the name has come since. */
  enter(name: string, connection: Duplex): () => boolean {
    const all = this.connections.get(name) ?? new Set();
    this.connections.set(name, all.add(connection));
    const leave = () => {
      all.delete(connection);
      if (all.size === 0 && this.connections.get(name) === all) this.connections.delete(name);
    };
    connection.once('end', leave);
    connection.once('close', leave);
    return () => this.connections.has(name);
  }
}
