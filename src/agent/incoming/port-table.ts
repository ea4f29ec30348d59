import { failure } from '../failure';
import { describe, type Subscriber } from './subscriber';

/** Who has subscribed to one port. */
export class PortTable {
  readonly port: number;
  readonly #subscribers: Subscriber[] = [];

  constructor(port: number) {
    this.port = port;
  }

  get isEmpty(): boolean {
    return this.#subscribers.length === 0;
  }

  /** Those whose link is there, newest first. */
  get active(): Subscriber[] {
    return this.#subscribers.filter(({ session }) => !session.parked).reverse();
  }

  /**
   * Those who cannot stand beside a new one: two unfiltered steals, or one of them and a filter. Filters stand side by side.
   * What a session has itself is never in its way.
   */
  conflicts({ params, session, matches }: Omit<Subscriber, 'id' | 'since'>): Subscriber[] {
    if (params.mode === 'mirror') return [];
    const others = this.#subscribers.filter((other) => other.params.mode === 'steal' && other.session !== session);
    return matches === undefined ? others : others.filter((other) => other.matches === undefined);
  }

  add(subscriber: Subscriber): void {
    this.#subscribers.push(subscriber);
  }

  remove(subscriber: Subscriber): void {
    const at = this.#subscribers.indexOf(subscriber);
    if (at >= 0) this.#subscribers.splice(at, 1);
  }

  all(): Subscriber[] {
    return [...this.#subscribers];
  }
}

export function portStolen(port: number, by: Subscriber[]): Error {
  const who = by.map((other) => `${describe(other)}${other.matches ? ' with a filter' : ''}`).join(', ');
  return failure({ code: 'PORT_STOLEN', message: `port ${port} is stolen by ${who}` });
}
