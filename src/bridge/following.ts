import { setTimeout as sleep } from 'node:timers/promises';
import type { ResolvedConfig } from '../config/types';
import { isMirrordError, MirrordError } from '../errors';
import type { AgentHandle, ChosenTarget, Progress, TargetPods } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { BringUpOptions } from './bring-up';
import type { LastingLink } from './lasting-link';
import { AT_ONCE, type Member, Replicas } from './replicas';

/** Pods of a target that get an agent, the first one included. */
export const MAX_AGENTS = 20;
/** Milliseconds until the pods are watched again after that has failed. */
const WATCH_AGAIN = 30_000;
/** Milliseconds a start waits for the agents beside the first one. */
const START_WAIT = 10_000;
/** Milliseconds the next agent of a session with all replicas is waited for at a time. */
const NEXT_WAIT = 30_000;
/** Milliseconds after a start: the app's first work comes before what may happen to a pod. */
const FIRST_LOOK = 500;

export interface FollowedAgent {
  handle: Pick<AgentHandle, 'handoff' | 'dial'> & Partial<Pick<AgentHandle, 'siblings' | 'release'>>;
  link: AgentLink;
}

/** Brings up an agent for the best pod, or, with `start`, the one that this starts. */
export type BringUp = (signal: AbortSignal, start?: BringUpOptions['start']) => Promise<FollowedAgent>;

export interface FollowingOptions {
  config: Pick<ResolvedConfig, 'target' | 'replicas'>;
  link: LastingLink;
  first: FollowedAgent;
  bringUp: BringUp;
  progress: Progress;
  /** Milliseconds after the start until the pods are looked at, where there is one agent. */
  firstLookMs?: number;
  /** The set of agents has changed. */
  onChange: () => void;
}

type Sibling = Member & { target: ChosenTarget };

/**
 * Watches the pods of the target for as long as the session lasts: leaves an agent whose pod goes away before it has gone,
 * and, with all replicas, keeps an agent at each of the other pods.
 */
export class Following {
  readonly #options: FollowingOptions;
  readonly #stop = new AbortController();
  #watch = new AbortController();
  readonly #replicas: Replicas<Sibling, FollowedAgent>;
  #pods: TargetPods | undefined;
  #firstLook: (() => void) | undefined;
  #tooMany = false;
  #started = false;
  #lastFailure: unknown;
  /** Container the session is at, and the one it is to leave. */
  #at: string | undefined;
  #leaving: string | undefined;
  /** The agent that was started by the name of the target: whose connections to the API server are in use. */
  #root: FollowedAgent['handle'];

  constructor(options: FollowingOptions) {
    this.#options = options;
    const { first, link, progress, bringUp, onChange } = options;
    this.#root = first.handle;
    this.#at = first.handle.handoff.target?.containerId;
    const warn = (text: string) => progress({ type: 'warn', step: 'replicas', text });
    this.#replicas = new Replicas<Sibling, FollowedAgent>({
      connect: ({ target }, signal) => bringUp(signal, (guard) => this.#root.siblings!.start(target, signal, guard)),
      onUp: (agent, { pod }) => {
        this.#lastFailure = undefined;
        // Those of the start are told together.
        if (this.#started) progress({ type: 'done', step: 'replicas', text: `pod ${pod} has an agent too` });
        link.add(agent.link, pod);
        onChange();
      },
      onFailed: ({ pod }, error, failures) => {
        this.#lastFailure = error;
        if (failures === 1) warn(`pod ${pod} has no agent, what comes to it stays there: ${inOneLine(error)}`);
      },
      onEnded: ({ pod }, reason, wanted) => {
        if (wanted) warn(`the agent of pod ${pod} is gone, a new one is being started (${inOneLine(reason)})`);
        onChange();
      },
    });
  }

  /** Agents beside the current one. */
  get others(): FollowedAgent[] {
    return this.#replicas.up;
  }

  /** Resolves at once, or with all replicas when each has an agent or has failed, at the latest after ten seconds. */
  async start(signal?: AbortSignal): Promise<void> {
    const looked = new Promise<void>((resolve) => {
      this.#firstLook = resolve;
    });
    if (!this.#root.siblings) return;
    const { config, progress, firstLookMs = FIRST_LOOK } = this.#options;
    if (config.replicas !== 'all') {
      void sleep(firstLookMs, undefined, { signal: this.#stop.signal }).then(
        () => this.#follow(),
        () => {},
      );
      return;
    }
    void this.#follow();
    const done = new AbortController();
    const either = AbortSignal.any([done.signal, ...(signal ? [signal] : [])]);
    const late = sleep(START_WAIT, undefined, { signal: either }).catch(() => {});
    const others = async () => {
      await looked;
      const { pending } = this.#replicas;
      if (pending === 0) return;
      const text = `Starting agents at ${pending} more pods, ${AT_ONCE} at a time`;
      progress({ type: 'start', step: 'replicas', text });
      await this.#replicas.tried(START_WAIT);
    };
    await Promise.race([late, others()]);
    done.abort();
    this.#started = true;
    const [up, all] = [this.others.length + 1, this.#pods?.staying.size ?? 1];
    if (all === 1) return;
    const rest = this.#replicas.pending > 0 ? ', more are being started' : '';
    progress({ type: 'done', step: 'replicas', text: `${up} of the target's ${all} pods have an agent${rest}` });
  }

  /**
   * The next agent of the session: one that is up already, if there are any.
   *
   * @throws MirrordError TARGET_NOT_READY, and as `bringUp` does
   */
  async next(signal: AbortSignal): Promise<FollowedAgent> {
    const { config, bringUp } = this.#options;
    if (config.replicas === 'all' && this.#pods) {
      // All are started in one place: a second start for the same pod would meet the first as a stranger.
      this.#at = undefined;
      this.#want(this.#pods);
      await this.#replicas.tried(NEXT_WAIT);
      const taken = this.#replicas.take(this.#pods.ready.map(({ containerId }) => containerId));
      if (!taken) {
        throw this.#lastFailure ?? new MirrordError('TARGET_NOT_READY', 'no pod of the target is ready');
      }
      this.#at = taken.handle.handoff.target?.containerId;
      return taken;
    }
    const agent = await bringUp(signal);
    this.#at = agent.handle.handoff.target?.containerId;
    this.#root.release?.();
    this.#root = agent.handle;
    // The name may stand for other pods by now: a cron job's next job has labels of its own.
    this.#watch.abort();
    return agent;
  }

  close(): void {
    this.#stop.abort();
    this.#replicas.close();
  }

  async #follow(): Promise<void> {
    const { config, progress } = this.#options;
    let told = false;
    while (!this.#stop.signal.aborted) {
      this.#watch = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, this.#watch.signal]);
      try {
        await this.#root.siblings?.follow((pods) => !signal.aborted && this.#look(pods), signal);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const forbidden = code(error) === 'FORBIDDEN';
        if (!signal.aborted && (!told || forbidden)) {
          told = true;
          progress({ type: 'warn', step: 'replicas', text: notFollowed(config.replicas, error) });
        }
        this.#firstLook?.();
        if (forbidden) return;
      }
      if (!signal.aborted) await sleep(WATCH_AGAIN, undefined, { signal }).catch(() => {});
    }
  }

  #look(pods: TargetPods): void {
    if (this.#stop.signal.aborted) return;
    this.#pods = pods;
    const { link, config } = this.#options;
    if (config.replicas === 'all') this.#want(pods);
    if (this.#at !== undefined && !pods.staying.has(this.#at) && this.#leaving !== this.#at) {
      this.#leaving = this.#at;
      this.#tellOfNamedPod(pods);
      link.moveOn();
    }
    if (pods.ready.length > 0) link.hurry();
    this.#firstLook?.();
  }

  #tellOfNamedPod({ names }: TargetPods): void {
    const { config, progress } = this.#options;
    if (config.target.kind !== 'pod' || names.has(config.target.name)) return;
    const text = `pod ${config.target.name} goes away. It was named itself, so no other one takes its place: the app goes on without a pod. To follow a rollout, name what the pod belongs to, such as deployment/NAME (see: mirrord ls). A new pod of the same name is taken.`;
    progress({ type: 'warn', step: 'replicas', text });
  }

  #want({ ready, staying }: TargetPods): void {
    // A pod that is not ready for a while keeps the agent it has.
    const kept = this.#replicas.up.flatMap(({ handle }) => handle.handoff.target ?? []);
    const all = new Map([...kept, ...ready].map((target) => [target.containerId, target]));
    const wanted = [...all.values()].filter(({ containerId }) => containerId !== this.#at && staying.has(containerId));
    const tooMany = wanted.length > MAX_AGENTS - 1;
    if (tooMany && !this.#tooMany) {
      const text = `the target has ${wanted.length + 1} pods; ${MAX_AGENTS} of them get an agent, the others keep what comes to them`;
      this.#options.progress({ type: 'warn', step: 'replicas', text });
    }
    this.#tooMany = tooMany;
    this.#replicas.want(
      wanted.slice(0, MAX_AGENTS - 1).map((target) => ({ key: target.containerId, pod: target.pod, target })),
    );
  }
}

/** Whoever may not watch can do without: that an agent is gone is noticed in any case, when its link ends. */
function notFollowed(replicas: ResolvedConfig['replicas'], error: unknown): string {
  if (code(error) !== 'FORBIDDEN') return `changes of the target's pods are not seen: ${inOneLine(error)}`;
  const others = replicas === 'all' ? ', and what comes to its other pods stays there' : '';
  return `the target is not followed: when its pod goes away, that shows only by the end of the agent${others} (${inOneLine(error)})`;
}

function code(error: unknown): string | undefined {
  return isMirrordError(error) ? error.code : undefined;
}

/** Without the hint and the lines of evidence: an app is running meanwhile. */
function inOneLine(error: unknown): string {
  const { message = String(error) } = (error ?? { message: 'no reason is known' }) as Error;
  const named = code(error);
  return `${named ? `${named}: ` : ''}${message.split('\n')[0]}`;
}
