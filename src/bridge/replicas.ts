import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentLink } from '../protocol/session-types';

const FIRST_DELAY = 5_000;
const LONGEST_DELAY = 60_000;
/** Agents that did not come up for one pod, or ended at once, before it is left alone. */
const MAX_FAILURES = 5;
/** Milliseconds after which a link counts as one that worked. */
const PROVEN_AFTER = 10_000;
/** How many are started at the same time. */
export const AT_ONCE = 4;

/** A pod beside the one the session is at. */
export interface Member {
  /** Another one whenever the agent has to be another one. */
  key: string;
  pod: string;
}

export interface ReplicasOptions<M extends Member, A extends { link: AgentLink }> {
  connect: (member: M, signal: AbortSignal) => Promise<A>;
  onUp: (agent: A, member: M) => void;
  /** `failures` in a row, of which this is the last. */
  onFailed?: (member: M, error: unknown, failures: number) => void;
  /** The link ended. `wanted`: another one is made. */
  onEnded?: (member: M, reason: Error | undefined, wanted: boolean) => void;
  firstDelayMs?: number;
}

/** Keeps a link to the agent of each pod that is wanted. One that is no longer wanted ends with its pod, by itself. */
export class Replicas<M extends Member, A extends { link: AgentLink }> {
  readonly #options: ReplicasOptions<M, A>;
  readonly #stop = new AbortController();
  readonly #up = new Map<string, A>();
  readonly #tasks = new Map<string, { stop: AbortController; tried: Promise<void> }>();
  /** In a row, by key. */
  readonly #failures = new Map<string, number>();
  #wanted = new Map<string, M>();
  #starting = 0;
  #places: (() => void)[] = [];

  constructor(options: ReplicasOptions<M, A>) {
    this.#options = options;
  }

  get up(): A[] {
    return [...this.#up.values()];
  }

  /** How many are being started, or wait for it. */
  get pending(): number {
    return this.#tasks.size;
  }

  /** Starts what is missing, and starts nothing any more for those that are not named. */
  want(members: M[]): void {
    if (this.#stop.signal.aborted) return;
    this.#wanted = new Map(members.map((member) => [member.key, member]));
    for (const [key, { stop }] of this.#tasks) if (!this.#wanted.has(key)) stop.abort();
    for (const key of this.#failures.keys()) if (!this.#wanted.has(key)) this.#failures.delete(key);
    for (const member of members) {
      if (!this.#up.has(member.key) && !this.#tasks.has(member.key)) this.#start(member);
    }
  }

  /** The agent of one of these, in order, which is no replica any more then. */
  take(keys: string[]): A | undefined {
    const key = keys.find((key) => this.#up.has(key));
    if (key === undefined) return undefined;
    const agent = this.#up.get(key);
    this.#up.delete(key);
    this.#wanted.delete(key);
    return agent;
  }

  /** Resolves when each of those that are wanted has come up or failed once, at the limit at the latest. */
  async tried(limitMs: number): Promise<void> {
    const all = Promise.all([...this.#tasks.values()].map(({ tried }) => tried));
    const done = new AbortController();
    await Promise.race([all, sleep(limitMs, undefined, { signal: done.signal }).catch(() => {})]);
    done.abort();
  }

  /** Starts nothing any more. The links that are up are closed by whoever has them. */
  close(): void {
    this.#stop.abort();
    for (const { stop } of this.#tasks.values()) stop.abort();
  }

  #start(member: M): void {
    const { key } = member;
    const stop = new AbortController();
    let settle!: () => void;
    const tried = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#tasks.set(key, { stop, tried });
    void this.#connect(member, stop.signal, settle).finally(() => {
      settle();
      this.#tasks.delete(key);
      // It was not wanted for a moment.
      if (stop.signal.aborted && this.#wanted.has(key) && !this.#stop.signal.aborted) this.#start(member);
    });
  }

  async #connect(member: M, signal: AbortSignal, onTried: () => void): Promise<void> {
    const { connect, onUp, onFailed, firstDelayMs = FIRST_DELAY } = this.#options;
    const { key } = member;
    for (;;) {
      const failures = this.#failures.get(key) ?? 0;
      if (failures >= MAX_FAILURES) return;
      const delay = failures === 0 ? 0 : Math.min(firstDelayMs * 2 ** (failures - 1), LONGEST_DELAY);
      if (delay > 0) await sleep(delay, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const agent = await this.#inPlace(() => connect(member, signal));
        if (signal.aborted) return void agent.link.close();
        this.#up.set(key, agent);
        const since = performance.now();
        void agent.link.closed.then((reason) => this.#ended(member, agent, reason, performance.now() - since));
        onUp(agent, member);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#failures.set(key, failures + 1);
        onFailed?.(member, error, failures + 1);
        onTried();
      }
    }
  }

  #ended(member: M, agent: A, reason: Error | undefined, livedMs: number): void {
    const { key } = member;
    if (this.#up.get(key) !== agent) return;
    this.#up.delete(key);
    if (this.#stop.signal.aborted) return;
    const wanted = this.#wanted.has(key);
    if (livedMs >= PROVEN_AFTER) this.#failures.delete(key);
    else if (wanted) this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
    this.#options.onEnded?.(member, reason, wanted);
    if (wanted) this.#start(member);
  }

  /** Few at a time: each start is some requests and a Job. */
  async #inPlace<T>(run: () => Promise<T>): Promise<T> {
    while (this.#starting >= AT_ONCE) await new Promise<void>((resolve) => this.#places.push(resolve));
    this.#starting += 1;
    try {
      return await run();
    } finally {
      this.#starting -= 1;
      this.#places.shift()?.();
    }
  }
}
