import { refusalText } from '../bad-gateway';
import type { RequestFacts } from '../filter/compile';
import type { Route } from '../routing';
import type { Subscriber } from '../subscriber';
import { RequestCopy } from './copy';
import { CODE } from './frame';
import { factsOf, isSound, toOutgoing } from './header-list';
import { HeldBody } from './hold-body';
import type { Field } from './hpack/field';
import { MAX_TAKEN } from './limits';
import type { Streams } from './streams';
import { type StreamHost, TakenStream } from './taken-stream';
import type { Upstreams } from './upstreams';

export interface RequestsOptions {
  streams: Streams;
  upstreams: Upstreams;
  host: StreamHost;
  needsBody(): boolean;
  route(facts: RequestFacts): Route;
  isTooLong(fields: Field[]): boolean;
  onLag(subscriber: Subscriber): void;
  /** The pod is to answer, and cannot be reached. */
  onNoPod(): void;
}

/** Decides who answers each request of one connection, and hands over those that are not the pod's. */
export class Requests {
  readonly #options: RequestsOptions;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** False = it goes on to the pod as it comes, perhaps with copies to others. */
  begin(id: number, fields: Field[], ended: boolean): boolean {
    const { streams, needsBody, route } = this.#options;
    const facts = factsOf(fields);
    if (!ended && needsBody()) return this.#hold(id, fields, facts);
    const { winner, copies } = route(facts);
    const made = copies.map((subscriber) => this.#copy(subscriber, fields, ended));
    if (winner) {
      const stream = this.#take(id, fields, ended, false);
      stream?.copyTo(made);
      if (stream) void this.#serve(stream, fields, winner);
      return true;
    }
    if (made.length > 0 && !ended) streams.copied.set(id, made);
    return false;
  }

  /** Once its body has been looked at, others may have gone before it: even the pod gets it on a connection of its own. */
  #hold(id: number, fields: Field[], facts: RequestFacts): true {
    const stream = this.#take(id, fields, false, true);
    stream?.hold(
      new HeldBody((body) => {
        const { winner, copies } = this.#options.route({ ...facts, body });
        stream.release(copies.map((subscriber) => this.#copy(subscriber, fields, false)));
        void this.#serve(stream, fields, winner);
      }),
    );
    return true;
  }

  #take(id: number, fields: Field[], ended: boolean, isHeld: boolean): TakenStream | undefined {
    const { streams, host, isTooLong } = this.#options;
    const stream = new TakenStream(id, host, ended, isHeld);
    const isFull = streams.taken.size >= MAX_TAKEN;
    streams.take(stream);
    if (isFull) stream.reset(CODE.refusedStream);
    else if (isTooLong(fields)) stream.reset(CODE.calmDown);
    else if (!isSound(fields)) stream.reset(CODE.protocol);
    return stream.isDone ? undefined : stream;
  }

  /** Never rejects. */
  async #serve(stream: TakenStream, fields: Field[], winner: Subscriber | undefined): Promise<void> {
    const { upstreams, onNoPod } = this.#options;
    try {
      const upstream = await upstreams.reach(winner);
      if (stream.isDone) return;
      const join = () =>
        stream.join(
          (isWhole) => upstream.request(toOutgoing(fields), isWhole),
          () => {
            if (!winner || !upstream.isOver) return false;
            stream.refuse(refusalText(winner, { message: 'their process has ended' }));
            return true;
          },
        );
      try {
        join();
      } catch {
        stream.reset(CODE.internal);
      }
    } catch (error) {
      if (stream.isDone) return;
      if (winner) stream.refuse(refusalText(winner, error));
      else onNoPod();
    }
  }

  #copy(subscriber: Subscriber, fields: Field[], ended: boolean): RequestCopy {
    const { upstreams, onLag } = this.#options;
    return new RequestCopy(upstreams.forCopy(subscriber), toOutgoing(fields), ended, () => onLag(subscriber));
  }
}
