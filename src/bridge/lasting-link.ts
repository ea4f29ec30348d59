import { setTimeout as sleep } from 'node:timers/promises';
import { isMirrordError, MirrordError } from '../errors';
import type { MethodName, OpenRequest, Params } from '../protocol/contract';
import type {
  AgentHandler,
  AgentLink,
  CallAnswer,
  CallOptions,
  IncomingRequest,
  MuxStream,
} from '../protocol/session-types';

/** Milliseconds a call or connect waits for a new agent: as long as a call may take anyway. */
const WAIT_LIMIT = 30_000;
const FIRST_DELAY = 250;
const LONGEST_DELAY = 30_000;
/** Agents that did not come up, and links that broke at once, before the session is given up. */
const MAX_FAILED_AGENTS = 5;
/** Milliseconds after which a link counts as one that worked. */
const PROVEN_AFTER = 10_000;

type EventHandler = Parameters<AgentLink['onEvent']>[0];

export interface LastingLinkOptions {
  /** A session with an agent that is there, or a new one. Called again and again until it succeeds. */
  renew: (signal: AbortSignal) => Promise<AgentLink>;
  onLost?: (reason: Error) => void;
  /** `early`: the link before is still up, and stays until it ends by itself. */
  onRenewed?: (early: boolean) => void;
  waitMs?: number;
  firstDelayMs?: number;
}

/**
 * A link that outlives its agent. What a link loses when it ends for good is lost: its streams are reset, its calls rejected.
 * What is asked for after that waits for the next agent, which is being started meanwhile. A link can also be left before it
 * ends, and have further ones beside it which only bring traffic of their pods.
 */
export class LastingLink implements AgentLink {
  /** Settles when no agent can be had any more: undefined after close(), else the last reason. */
  readonly closed: Promise<Error | undefined>;
  readonly #options: LastingLinkOptions;
  readonly #stop = new AbortController();
  #link: AgentLink | undefined;
  /** Replicas, and links that were left and have not ended. */
  readonly #others = new Map<AgentLink, string | undefined>();
  #next = new Gate<AgentLink>();
  #renewing = false;
  #hurry = new AbortController();
  #failedAgents = 0;
  #lastFailure: unknown;
  readonly #agentHandlers: AgentHandler[] = [];
  #end!: (reason: Error | undefined) => void;

  constructor(first: AgentLink, options: LastingLinkOptions) {
    this.#options = options;
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#use(first);
  }

  get unsent(): number {
    return this.#link?.unsent ?? 0;
  }

  /** Whether another agent is being looked for. */
  get renewing(): boolean {
    return this.#renewing;
  }

  async call<M extends MethodName>(method: M, params: Params<M>, options?: CallOptions): Promise<CallAnswer<M>> {
    const link = this.#link ?? (await this.#wait(options?.timeoutMs, options?.signal));
    return link.call(method, params, options);
  }

  async open(metadata: OpenRequest, signal?: AbortSignal): Promise<MuxStream> {
    const link = this.#link ?? (await this.#wait(undefined, signal));
    return link.open(metadata, signal);
  }

  /** Holds for all agents there are and those to come, as does `onEvent`. */
  onOpen(handler: (request: IncomingRequest) => void): void {
    this.onAgent((link) => link.onOpen(handler));
  }

  onEvent(handler: EventHandler): void {
    this.onAgent((link) => link.onEvent(handler));
  }

  onAgent(handler: AgentHandler): void {
    this.#agentHandlers.push(handler);
    if (this.#link) handler(this.#link, undefined);
    for (const [link, pod] of this.#others) handler(link, pod);
  }

  /** A further link, of a pod beside that of the first. It is closed with this one. */
  add(link: AgentLink, pod: string): void {
    if (this.#stop.signal.aborted) return void link.close();
    this.#others.set(link, pod);
    void link.closed.then(() => this.#others.delete(link));
    for (const handler of this.#agentHandlers) handler(link, pod);
  }

  /** The target's pod goes away: another agent is looked for while this one still serves. */
  moveOn(): void {
    if (!this.#renewing && !this.#stop.signal.aborted) void this.#renew();
  }

  /** There is a new reason to believe that an agent can be had: the pause ends, unless it is for an agent that failed. */
  hurry(): void {
    this.#hurry.abort();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#next.reject(new MirrordError('SESSION_CLOSED', 'the session is closed'));
    await Promise.all([this.#link, ...this.#others.keys()].map((link) => link?.close()));
    this.#end(undefined);
  }

  #use(link: AgentLink): void {
    const since = performance.now();
    if (this.#link) this.#others.set(this.#link, undefined);
    this.#others.delete(link);
    this.#link = link;
    for (const handler of this.#agentHandlers) handler(link, undefined);
    this.#next.resolve(link);
    void link.closed.then((reason) => {
      // It was left before.
      if (this.#link !== link) return void this.#others.delete(link);
      if (reason === undefined || this.#stop.signal.aborted) return this.#end(undefined);
      this.#link = undefined;
      this.#next = new Gate();
      this.#lastFailure = reason;
      if (performance.now() - since >= PROVEN_AFTER) this.#failedAgents = 0;
      else this.#failedAgents += 1;
      this.#options.onLost?.(reason);
      if (!this.#renewing) void this.#renew();
    });
  }

  /** Goes on as long as no agent is created by it: to ask again costs the cluster nothing, and a target may come back. */
  async #renew(): Promise<void> {
    const { signal } = this.#stop;
    const { renew, onRenewed, firstDelayMs = FIRST_DELAY } = this.#options;
    this.#renewing = true;
    try {
      for (let delay = firstDelayMs; ; delay = Math.min(delay * 2, LONGEST_DELAY)) {
        try {
          // A link that broke as soon as it was made will probably do so again.
          if (this.#failedAgents > 1) await this.#pause(delay, false);
          const link = await renew(signal);
          if (signal.aborted) return void link.close();
          const early = this.#link !== undefined;
          this.#use(link);
          onRenewed?.(early);
          return;
        } catch (error) {
          if (signal.aborted) return;
          this.#lastFailure = error;
          if (isAgentFailure(error)) this.#failedAgents += 1;
          if (this.#failedAgents >= MAX_FAILED_AGENTS) {
            // As long as the one that was to be left is there, nothing is lost; when it ends, it is tried once more.
            return this.#link ? undefined : this.#giveUp(error);
          }
          await this.#pause(delay, !isAgentFailure(error));
        }
      }
    } finally {
      this.#renewing = false;
    }
  }

  async #pause(ms: number, mayHurry: boolean): Promise<void> {
    this.#hurry = new AbortController();
    const signal = mayHurry ? AbortSignal.any([this.#stop.signal, this.#hurry.signal]) : this.#stop.signal;
    await sleep(ms, undefined, { signal }).catch(() => {});
  }

  #giveUp(error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#stop.abort(reason);
    this.#next.reject(reason);
    this.#end(reason);
  }

  #wait(limitMs = this.#options.waitMs ?? WAIT_LIMIT, signal?: AbortSignal): Promise<AgentLink> {
    return this.#next.wait(limitMs, signal, () => {
      const last = (this.#lastFailure as Error)?.message ?? 'no reason is known';
      return new MirrordError('LINK_LOST', `no agent within ${limitMs / 1_000} s; the last failure was: ${last}`, {
        hint: 'A new agent is being started in the background; the call can be made again.',
      });
    });
  }
}

function isAgentFailure(error: unknown): boolean {
  return !isMirrordError(error) || /^(AGENT_(?!GONE)|PROTOCOL_|INTERNAL)/.test(error.code);
}

/** Something that comes later, for any number of waiters, each with its own patience. */
class Gate<T> {
  resolve!: (value: T) => void;
  reject!: (reason: Error) => void;
  readonly #opened: Promise<T>;

  constructor() {
    this.#opened = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.#opened.catch(() => {});
  }

  wait(limitMs: number, signal: AbortSignal | undefined, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => settle(() => reject(signal!.reason));
      const timer = setTimeout(() => settle(() => reject(late())), limitMs);
      const settle = (then: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        then();
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      this.#opened.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      );
    });
  }
}
