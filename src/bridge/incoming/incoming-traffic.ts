import fs from 'node:fs';
import { MirrordError } from '../../errors';
import type { IncomingSubscribed } from '../../protocol/contract';
import type { AgentLink } from '../../protocol/session-types';
import type { AppServer } from '../messages';
import { writeStderr } from '../progress-lines';
import { PeerFile } from './peer-file';
import { viewPeerTable } from './peer-table';
import { type Entry, Subscriptions } from './subscriptions';

type Link = Pick<AgentLink, 'call' | 'onOpen' | 'onEvent' | 'onAgent' | 'closed'>;
type Asked = Promise<IncomingSubscribed>;

/**
 * The app's servers, and what was asked for them of each agent of the session. The app's own port stays as it is: connections
 * from the pod are made to it like any other.
 */
export class IncomingTraffic {
  readonly #entries = new Map<number, Entry>();
  readonly #agents = new Map<Link, Subscriptions>();
  /** Servers that began to listen while there was no agent. */
  readonly #waiting = new Map<Entry, (asked: Asked) => void>();
  readonly #tell: (message: string) => void;
  #used = false;
  #file: PeerFile | undefined;

  constructor(tell = (message: string) => writeStderr(`${message}\n`)) {
    this.#tell = tell;
  }

  /** The session's link. Servers that listen are subscribed at each agent it has and will have. */
  use(link: Link): void {
    this.#used = true;
    if (link.onAgent) link.onAgent((agent, pod) => this.#add(agent, pod));
    else this.#add(link, undefined);
  }

  /**
   * Resolves when the agents take the port's connections. Where one of several refuses, that is told and the others go on.
   * Rejects with WireFailure or MirrordError when there is none that takes them.
   */
  async listen(server: AppServer): Asked {
    if (!this.#used) throw new MirrordError('NOT_READY', 'a server listened before the session was up');
    if (server.peersFile !== undefined) this.#file ??= new PeerFile(server.peersFile, fs);
    const entry: Entry = { server, peers: viewPeerTable(server.peers), file: this.#file, closed: false };
    this.#entries.set(server.key, entry);
    if (this.#agents.size === 0) return new Promise((resolve) => this.#waiting.set(entry, resolve));
    const agents = [...this.#agents.values()];
    const answers = await Promise.allSettled(agents.map((agent) => agent.subscribe(entry)));
    const taken = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (taken.length === 0) throw (answers[0] as PromiseRejectedResult).reason;
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'rejected') agents[index]!.tellRefusal(entry, answer.reason);
    }
    const replaced = taken.flatMap((result) => result.replaced ?? []);
    return { ...taken[0]!, ...(replaced.length > 0 && { replaced }) };
  }

  /** New connections stay with the pod; those that were delivered go on. */
  unlisten(key: number): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.closed = true;
    this.#entries.delete(key);
    this.#waiting.delete(entry);
    for (const agent of this.#agents.values()) agent.release(entry);
  }

  close(): void {
    // The goodbye of the session releases everything at the agents.
    for (const entry of this.#entries.values()) entry.closed = true;
    this.#entries.clear();
    this.#file?.close();
  }

  #add(link: Link, pod: string | undefined): void {
    // One of the further agents has become the first.
    if (this.#agents.has(link)) return;
    const agent = new Subscriptions(link, pod, this.#tell);
    this.#agents.set(link, agent);
    void link.closed.then(() => this.#agents.delete(link));
    for (const entry of this.#entries.values()) {
      const asked = agent.subscribe(entry);
      const waits = this.#waiting.get(entry);
      this.#waiting.delete(entry);
      if (waits) waits(asked);
      else asked.catch((error: unknown) => agent.tellRefusal(entry, error));
    }
  }
}
