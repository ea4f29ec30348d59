import type { Socket } from 'node:net';
import type { Connection } from '../../protocol/connection';
import type { IncomingSubscription } from '../../protocol/contract';
import { endInTime } from '../end-in-time';
import type { HandlerAnswer } from '../handlers';
import type { Incoming } from './incoming';
import type { Subscribing } from './subscriber';

type IncomingOfAll = Pick<Incoming, 'subscribe' | 'unsubscribe' | 'release'>;

/** One session's half of the incoming traffic: its calls, and how connections get to it. */
export class SessionIncoming implements Subscribing {
  readonly name: string;
  readonly #incoming: IncomingOfAll;
  readonly #connection: Connection;
  readonly #callers = new Set<Socket>();
  readonly #takeLimitMs: number | undefined;

  constructor(incoming: IncomingOfAll, connection: Connection, name: string, takeLimitMs?: number) {
    this.#takeLimitMs = takeLimitMs;
    this.#incoming = incoming;
    this.#connection = connection;
    this.name = name;
  }

  get parked(): boolean {
    return !this.#connection.attached;
  }

  open: Subscribing['open'] = (metadata, signal) => this.#connection.open(metadata, signal);

  answers(caller: Socket): void {
    if (caller.destroyed || this.#callers.has(caller)) return;
    this.#callers.add(caller);
    caller.once('close', () => this.#callers.delete(caller));
  }

  ended(subscription: number, reason: string): void {
    this.#connection.emitEvent('incoming.ended', { subscription, reason });
  }

  async subscribe(params: IncomingSubscription): Promise<HandlerAnswer<'incoming.subscribe'>> {
    return { result: await this.#incoming.subscribe(this, params) };
  }

  async unsubscribe(subscription: number): Promise<HandlerAnswer<'incoming.unsubscribe'>> {
    await this.#incoming.unsubscribe(this, subscription);
    return { result: {} };
  }

  release(): void {
    this.#incoming.release(this);
    for (const caller of this.#callers) endInTime(caller, this.#takeLimitMs);
  }
}
