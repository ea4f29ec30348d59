import { formatError, MirrordError } from '../../errors';
import type { AgentEvents, IncomingSubscribed } from '../../protocol/contract';
import { type AgentLink, type IncomingRequest, WireFailure } from '../../protocol/session-types';
import { subscriberName } from '../client-name';
import { deliver } from './deliver';
import type { Destination } from './dial-app';

/** A server of the app, for as long as it listens. */
export interface Entry extends Destination {
  closed: boolean;
}

const GOES_ON = 'The app goes on; on that port it hears from this machine only.';

/** The agent knows what the pod lacks, but not who has asked for it. */
function withName(error: unknown, named: string | undefined): unknown {
  if (!(error instanceof WireFailure) || error.code !== 'PORT_UNKNOWN') return error;
  return new WireFailure({
    ...error.wire,
    message: `${named}, but ${error.message}, and its containers declare no such port`,
  });
}

/** What one agent was asked for: the ports of its pod, and which server of the app each belongs to. */
export class Subscriptions {
  /** By the agent's number. */
  readonly #entries = new Map<number, Entry>();
  /** What is being asked of the agent about a port of the pod: a server that comes back waits for the end of the one before. */
  readonly #asking = new Map<number, Promise<unknown>>();

  constructor(
    private readonly link: Pick<AgentLink, 'call' | 'onOpen' | 'onEvent'>,
    /** For messages, where there is more than one pod. */
    private readonly pod: string | undefined,
    private readonly tell: (message: string) => void,
  ) {
    link.onOpen((request) => void this.#take(request));
    link.onEvent((name, data) => {
      if (name === 'incoming.ended') this.#ended(data as AgentEvents['incoming.ended']);
    });
  }

  /** Resolves when the agent takes the port's connections. Rejects with WireFailure or MirrordError. */
  async subscribe(entry: Entry): Promise<IncomingSubscribed> {
    const { subscription, named } = entry.server;
    return this.#inTurn(subscription.port, async () => {
      const params = { ...subscription, owner: subscriberName() };
      const { result } = await this.link.call('incoming.subscribe', params).catch((error) => {
        throw withName(error, named);
      });
      this.#entries.set(result.subscription, entry);
      // It was there: another agent, in a pod that is just starting, need not see it once more.
      delete subscription.mustListen;
      if (entry.closed) this.release(entry);
      return result;
    });
  }

  /** Of no effect on one that is still being asked for: it is given back when the answer is there. */
  release(entry: Entry): void {
    const { port } = entry.server.subscription;
    for (const [subscription, each] of this.#entries) {
      if (each !== entry) continue;
      this.#entries.delete(subscription);
      // A link that is gone has released it.
      this.#inTurn(port, () => this.link.call('incoming.unsubscribe', { subscription })).catch(() => {});
    }
  }

  /** Says that an agent refused a port. That of a link which has ended is the next one's. */
  tellRefusal({ server }: Entry, error: unknown): void {
    const { code, message } = error instanceof WireFailure ? error : (error as MirrordError);
    if (code === 'LINK_LOST' || code === 'SESSION_CLOSED') return;
    const text = `${this.#portName(server.subscription.port)}: ${message}`;
    this.tell(formatError(new MirrordError(code, text, { hint: this.#whatFollows })));
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
    if (!this.#entries.has(subscription)) await this.#asking.get(port)?.catch(() => {});
    if (aborted) return;
    const entry = this.#entries.get(subscription);
    if (entry) await deliver(request, entry);
    else request.refuse({ code: 'ECONNREFUSED', message: 'the app does not listen on that port any more' });
  }

  #ended({ subscription, reason }: AgentEvents['incoming.ended']): void {
    const entry = this.#entries.get(subscription);
    if (!entry) return;
    this.#entries.delete(subscription);
    const { port, mode } = entry.server.subscription;
    const text = `${this.#portName(port)} is not ${mode === 'steal' ? 'stolen' : 'mirrored'} any more: ${reason}`;
    this.tell(formatError(new MirrordError('INCOMING_ENDED', text, { hint: this.#whatFollows })));
  }

  #portName(port: number): string {
    return `port ${port} of ${this.pod === undefined ? 'the pod' : `pod ${this.pod}`}`;
  }

  get #whatFollows(): string {
    return this.pod === undefined ? GOES_ON : 'What comes to that pod stays there; the other pods are not concerned.';
  }
}
