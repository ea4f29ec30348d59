import type { Socket } from 'node:net';
import { openToClient, type Taken } from '../connections';
import { StreamDuplex } from '../stream-duplex';
import type { Subscriber } from '../subscriber';
import { Http2Upstream } from './upstream';

/** The sessions of one connection with those who take its requests; undefined is the pod, for requests that were looked at for too long. */
export class Upstreams {
  readonly #taken: Taken;
  readonly #connectToPod: () => Promise<Socket>;
  readonly #made = new Map<Subscriber | undefined, Http2Upstream>();
  readonly #copies = new Map<Subscriber, Http2Upstream>();

  constructor(taken: Taken, connectToPod: () => Promise<Socket>) {
    this.#taken = taken;
    this.#connectToPod = connectToPod;
  }

  /** Rejects as the connection does, unless the pod is to answer instead. */
  async reach(winner: Subscriber | undefined): Promise<Http2Upstream> {
    const upstream = this.#upstreamFor(winner);
    try {
      await upstream.ready;
      return upstream;
    } catch (error) {
      if (this.#made.get(winner) === upstream) this.#made.delete(winner);
      if (winner?.params.fallback !== 'pod') throw error;
      return this.reach(undefined);
    }
  }

  forCopy(subscriber: Subscriber): Http2Upstream {
    const known = this.#copies.get(subscriber);
    if (known?.usable) return known;
    const made = new Http2Upstream(this.#openTo(subscriber));
    this.#copies.set(subscriber, made);
    return made;
  }

  close(): void {
    for (const upstream of [...this.#made.values(), ...this.#copies.values()]) upstream.close();
  }

  #upstreamFor(winner: Subscriber | undefined): Http2Upstream {
    const known = this.#made.get(winner);
    if (known?.usable) return known;
    const made = new Http2Upstream(winner ? this.#openTo(winner) : this.#connectToPod());
    this.#made.set(winner, made);
    return made;
  }

  async #openTo(subscriber: Subscriber): Promise<StreamDuplex> {
    return new StreamDuplex(await openToClient(subscriber, this.#taken, 'http2'));
  }
}
