import fs from 'node:fs';
import { formatError, MirrordError } from '../../errors';
import type { AgentEvents, IncomingSubscribed } from '../../protocol/contract';
import { type AgentLink, type IncomingRequest, WireFailure } from '../../protocol/session-types';
import { subscriberName } from '../client-name';
import type { AppServer } from '../messages';
import { writeStderr } from '../progress-lines';
import { deliver } from './deliver';
import type { Destination } from './dial-app';
import { PeerFile } from './peer-file';
import { viewPeerTable } from './peer-table';

type Link = Pick<AgentLink, 'call' | 'onOpen' | 'onEvent'>;

interface Entry extends Destination {
  /** The agent's number; undefined while it is asked, and after it was refused. */
  subscription: number | undefined;
  closed: boolean;
}

/**
 * The app's servers and their subscriptions at the agent, and the delivery of what the agent hands over. The app's own port stays
 * as it is: connections from the pod are made to it like any other.
 */
export class IncomingTraffic {
  readonly #entries = new Map<number, Entry>();
  /** What is being asked of the agent about a port of the pod: a server that comes back waits for the end of the one before. */
  readonly #asking = new Map<number, Promise<unknown>>();
  readonly #tell: (message: string) => void;
  #link: Link | undefined;
  #file: PeerFile | undefined;

  constructor(tell = (message: string) => writeStderr(`${message}\n`)) {
    this.#tell = tell;
  }

  /** The link to the agent. Servers that listen already are subscribed. */
  use(link: Link): void {
    this.#link = link;
    link.onOpen((request) => void this.#take(request));
    link.onEvent((name, data) => {
      if (name === 'incoming.ended') this.#ended(data as AgentEvents['incoming.ended']);
    });
    this.resubscribe();
  }

  /** The link leads to another agent, which knows nothing of what was subscribed. */
  resubscribe(): void {
    for (const entry of this.#entries.values()) {
      entry.subscription = undefined;
      this.#subscribe(entry).catch((error: unknown) => this.#tell(formatError(notHad(entry, error))));
    }
  }

  /** Resolves when the agent takes the port's connections. Rejects with WireFailure or MirrordError. */
  listen(server: AppServer): Promise<IncomingSubscribed> {
    if (server.peersFile !== undefined) this.#file ??= new PeerFile(server.peersFile, fs);
    const entry: Entry = {
      server,
      peers: viewPeerTable(server.peers),
      file: this.#file,
      subscription: undefined,
      closed: false,
    };
    this.#entries.set(server.key, entry);
    return this.#subscribe(entry);
  }

  /** New connections stay with the pod; those that were delivered go on. */
  unlisten(key: number): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.closed = true;
    this.#entries.delete(key);
    // One that is still being asked for is given back when the answer is there.
    this.#release(entry);
  }

  close(): void {
    // The goodbye of the session releases everything at the agent.
    for (const entry of this.#entries.values()) entry.closed = true;
    this.#entries.clear();
    this.#file?.close();
  }

  async #subscribe(entry: Entry): Promise<IncomingSubscribed> {
    const { subscription } = entry.server;
    return this.#inTurn(subscription.port, async () => {
      const link = this.#link;
      if (!link) throw new MirrordError('NOT_READY', 'a server listened before the session was up');
      const { result } = await link.call('incoming.subscribe', { ...subscription, owner: subscriberName() });
      entry.subscription = result.subscription;
      // It was there: another agent, in a pod that is just starting, need not see it once more.
      delete subscription.mustListen;
      if (entry.closed) this.#release(entry);
      return result;
    });
  }

  #release(entry: Entry): void {
    const { subscription } = entry;
    if (subscription === undefined) return;
    entry.subscription = undefined;
    const { port } = entry.server.subscription;
    // A link that is gone has released it.
    this.#inTurn(port, async () => this.#link?.call('incoming.unsubscribe', { subscription })).catch(() => {});
  }

  /** One question about a port at a time. Calls of one link overtake each other, and a port given up may be wanted again at once. */
  #inTurn<T>(port: number, ask: () => Promise<T>): Promise<T> {
    const before = this.#asking.get(port) ?? Promise.resolve();
    const answer = before.catch(() => {}).then(ask);
    this.#asking.set(port, answer);
    const forget = () => {
      if (this.#asking.get(port) === answer) this.#asking.delete(port);
    };
    answer.then(forget, forget);
    return answer;
  }

  async #take(request: IncomingRequest): Promise<void> {
    const { subscription, port } = request.metadata;
    let aborted = false;
    request.onAbort = () => {
      aborted = true;
    };
    // The first connection may come in the same breath as the answer that names its subscription.
    if (!this.#find(subscription)) await this.#asking.get(port)?.catch(() => {});
    if (aborted) return;
    const entry = this.#find(subscription);
    if (entry) await deliver(request, entry);
    else request.refuse({ code: 'ECONNREFUSED', message: 'the app does not listen on that port any more' });
  }

  #find(subscription: number): Entry | undefined {
    for (const entry of this.#entries.values()) if (entry.subscription === subscription) return entry;
    return undefined;
  }

  #ended({ subscription, reason }: AgentEvents['incoming.ended']): void {
    const entry = this.#find(subscription);
    if (!entry) return;
    entry.subscription = undefined;
    const { port, mode } = entry.server.subscription;
    const text = `port ${port} of the pod is not ${mode === 'steal' ? 'stolen' : 'mirrored'} any more: ${reason}`;
    this.#tell(formatError(new MirrordError('INCOMING_ENDED', text, { hint: GOES_ON })));
  }
}

const GOES_ON = 'The app goes on; on that port it hears from this machine only.';

function notHad({ server }: Entry, error: unknown): MirrordError {
  const { code, message } = error instanceof WireFailure ? error : (error as MirrordError);
  return new MirrordError(code, `port ${server.subscription.port} of the pod: ${message}`, { hint: GOES_ON });
}
