import type { Connection } from '../../protocol/connection';
import type { IncomingSubscription } from '../../protocol/contract';
import type { HandlerAnswer } from '../handlers';
import type { Incoming } from './incoming';
import type { Subscribing } from './subscriber';

/** One session's half of the incoming traffic: its calls, and how connections get to it. */
export class SessionIncoming implements Subscribing {
  readonly name: string;
  readonly #incoming: Incoming;
  readonly #connection: Connection;

  constructor(incoming: Incoming, connection: Connection, name: string) {
    this.#incoming = incoming;
    this.#connection = connection;
    this.name = name;
  }

  get parked(): boolean {
    return !this.#connection.attached;
  }

  open: Subscribing['open'] = (metadata, signal) => this.#connection.open(metadata, signal);

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
  }
}
