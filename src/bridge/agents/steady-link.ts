import { isMirrordError, MirrordError } from '../../errors';
import type { MethodName, OpenRequest, Params } from '../../protocol/contract';
import type { AgentLink, CallAnswer, CallOptions, MuxStream } from '../../protocol/session-types';

/** Milliseconds a call or connection waits while there is no agent. */
const PATIENCE = 30_000;
/** How often something that a lost link has cut short is asked again on the next one. */
const TRIES = 3;

/** What asks and changes nothing: safe to repeat when the answer got lost with the link. */
const REPEATABLE = /^(info|env|dns\..*|fs\.(readFile|read|stat|lstat|access|readdir|realpath|readlink|statfs))$/;

/**
 * A link that outlives the agents behind it. What is begun goes to the agent of the moment; while there is none it waits. What
 * was open on an agent that has gone ends with it.
 */
export class SteadyLink implements AgentLink {
  readonly closed: Promise<Error | undefined>;
  #current: AgentLink | undefined;
  #waiting = new Set<(error?: Error) => void>();
  #over: { reason: Error | undefined } | undefined;
  #resolveClosed!: (reason: Error | undefined) => void;
  #patience: number;
  #describe: () => string;

  /** @param describe ends the sentence "nothing answers because …" while there is no agent */
  constructor(first: AgentLink, describe: () => string, patienceMs = PATIENCE) {
    this.#describe = describe;
    this.#patience = patienceMs;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.replace(first);
  }

  /** From now on this is the link; the one before is left as it is. */
  replace(link: AgentLink): void {
    if (this.#over) return;
    this.#current = link;
    void link.closed.then(() => {
      if (this.#current === link) this.#current = undefined;
    });
    for (const settle of [...this.#waiting]) settle();
  }

  /** There will be no further agent. */
  end(reason: Error | undefined): void {
    if (this.#over) return;
    this.#over = { reason };
    this.#current = undefined;
    for (const settle of [...this.#waiting]) settle(this.#overError());
    this.#resolveClosed(reason);
  }

  call<M extends MethodName>(method: M, params: Params<M>, options?: CallOptions): Promise<CallAnswer<M>> {
    const tries = REPEATABLE.test(method) ? TRIES : 1;
    return this.#onLink((link) => link.call(method, params, options), tries, options?.signal);
  }

  open(metadata: OpenRequest, signal?: AbortSignal): Promise<MuxStream> {
    return this.#onLink((link) => link.open(metadata, signal), TRIES, signal);
  }

  async close(): Promise<void> {
    const link = this.#current;
    this.end(undefined);
    await link?.close();
  }

  async #onLink<T>(run: (link: AgentLink) => Promise<T>, tries: number, signal: AbortSignal | undefined): Promise<T> {
    for (let left = tries; ; left--) {
      const link = await this.#live(signal);
      try {
        return await run(link);
      } catch (error) {
        if (left <= 1 || this.#over || !isLoss(error) || signal?.aborted) throw error;
        // The end of a link is told to its calls before it is told to us.
        if (this.#current === link) this.#current = undefined;
      }
    }
  }

  #live(signal: AbortSignal | undefined): Promise<AgentLink> | AgentLink {
    if (this.#over) return Promise.reject(this.#overError());
    if (this.#current) return this.#current;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(settle);
        if (error) reject(error);
        else resolve(this.#current!);
      };
      const timer = setTimeout(() => settle(this.#nobody()), this.#patience);
      const onAbort = () => settle(signal!.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(settle);
    });
  }

  #nobody(): MirrordError {
    return new MirrordError(
      'TARGET_GONE',
      `Nothing has answered for ${this.#patience / 1000} s because ${this.#describe()}.`,
      { hint: 'The session goes on as soon as a pod of the target is ready.' },
    );
  }

  #overError(): Error {
    return this.#over?.reason ?? new MirrordError('SESSION_CLOSED', 'the session was closed');
  }
}

function isLoss(error: unknown): boolean {
  return isMirrordError(error) && error.code === 'LINK_LOST';
}
