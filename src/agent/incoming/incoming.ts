import type { IncomingSubscribed, IncomingSubscription } from '../../protocol/contract';
import { failure } from '../failure';
import type { Log } from '../log';
import { checkPort, checkSubscription } from './check-subscription';
import { compileFilter } from './filter/compile';
import { flushConnections } from './flush';
import { PortTable, portStolen } from './port-table';
import type { Exemption } from './rules/rules';
import { describe, type Subscriber, type Subscribing } from './subscriber';
import { takeConnection } from './take-connection';
import { TakenPorts } from './taken-ports';

export interface IncomingOptions {
  exemption: Exemption;
  log: Log;
  /** Why this agent cannot take traffic at all. */
  unsupported?: string;
}

/** Who takes which incoming traffic of the pod: all sessions of one agent. */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #ports: TakenPorts;
  readonly #tables = new Map<number, PortTable>();
  #nextId = 1;

  constructor(options: IncomingOptions) {
    this.#options = options;
    const { exemption, log } = options;
    this.#ports = new TakenPorts({
      exemption,
      log,
      onConnection: (taken) => {
        const table = this.#tables.get(taken.podAddress.port);
        void takeConnection(taken, { active: () => table?.active ?? [], exemption, log });
      },
      onLost: (reason) => this.#loseAll(reason),
    });
  }

  /** Rejects with PORT_STOLEN, PORT_UNKNOWN, INCOMING_UNSUPPORTED or BAD_PARAMETERS. Resolves when new connections are taken. */
  async subscribe(session: Subscribing, params: IncomingSubscription): Promise<IncomingSubscribed> {
    checkSubscription(params);
    const matches = params.filter === undefined ? undefined : compileFilter(params.filter);
    const { unsupported, log } = this.#options;
    if (unsupported !== undefined) throw failure({ code: 'INCOMING_UNSUPPORTED', message: unsupported });
    await checkPort(params);
    const { port, onConcurrentSteal } = params;
    const table = this.#tableOf(port);
    const conflicts = table.conflicts({ session, params, matches });
    // A link that is lost may be that of a process which is gone: nobody is kept waiting for it, the process itself least of all.
    const standing = conflicts.filter((other) => !other.session.parked);
    if (standing.length > 0 && onConcurrentSteal === 'abort') throw portStolen(port, standing);
    const subscriber: Subscriber = { id: this.#nextId++, session, params, matches, since: new Date() };
    // Before the first wait: of two who come at once, the second one sees the first.
    table.add(subscriber);
    try {
      await this.#ports.take(port);
    } catch (error) {
      await this.#remove(table, subscriber);
      const { message } = error as Error;
      throw failure({ code: 'INCOMING_UNSUPPORTED', message: `port ${port} cannot be taken: ${message}` });
    }
    const replaced = conflicts.filter((other) => onConcurrentSteal === 'override' || !standing.includes(other));
    for (const other of replaced) await this.#end(table, other, `${describe(subscriber)} took port ${port} over`);
    if (params.flush) await flushConnections(port, log);
    log.info('port taken', { port, mode: params.mode, filtered: matches !== undefined, subscription: subscriber.id });
    return { subscription: subscriber.id, ...(replaced.length > 0 && { replaced: replaced.map(describe) }) };
  }

  /** New connections stay with the pod once this has resolved; never rejects. */
  async unsubscribe(session: Subscribing, subscription: number): Promise<void> {
    for (const table of this.#tables.values()) {
      const found = table.all().find(({ id }) => id === subscription);
      if (found?.session === session) await this.#remove(table, found);
    }
  }

  /** The session is over: nothing of it stays. */
  release(session: Subscribing): void {
    for (const table of [...this.#tables.values()]) {
      for (const subscriber of table.all()) if (subscriber.session === session) void this.#remove(table, subscriber);
    }
  }

  /** The agent ends: new connections stay with the pod from now on. */
  stop(): void {
    this.#tables.clear();
    void this.#ports.leaveAll();
  }

  /** After `stop`, when what is redirected has had its time: resolves when nothing of it is left in the pod. */
  end(): Promise<void> {
    return this.#ports.end();
  }

  counts() {
    const all = [...this.#tables.values()].flatMap((table) => table.all());
    const steals = all.filter(({ params }) => params.mode === 'steal');
    const filtered = steals.filter(({ matches }) => matches !== undefined).length;
    return {
      mirror_port_subscription_count: all.length - steals.length,
      steal_unfiltered_port_subscription_count: steals.length - filtered,
      steal_filtered_port_subscription_count: filtered,
      redirected_connections_count: this.#ports.connections,
    };
  }

  #tableOf(port: number): PortTable {
    const known = this.#tables.get(port);
    if (known) return known;
    const made = new PortTable(port);
    this.#tables.set(port, made);
    return made;
  }

  async #remove(table: PortTable, subscriber: Subscriber): Promise<void> {
    table.remove(subscriber);
    if (!table.isEmpty || this.#tables.get(table.port) !== table) return;
    this.#tables.delete(table.port);
    await this.#ports.leave(table.port);
    this.#options.log.info('port left', { port: table.port });
  }

  async #end(table: PortTable, subscriber: Subscriber, reason: string): Promise<void> {
    await this.#remove(table, subscriber);
    subscriber.session.ended(subscriber.id, reason);
  }

  #loseAll(reason: string): void {
    this.#options.log.warn(`all ports were given up: ${reason}`);
    const tables = [...this.#tables.values()];
    this.#tables.clear();
    for (const table of tables) {
      for (const { session, id } of table.all()) session.ended(id, `the traffic rules are gone: ${reason}`);
    }
  }
}
