import { MirrordError } from '../errors';
import { eventsOf, logTail } from './agent-evidence';
import { describeAwaited } from './awaited-step';
import type { Cluster } from './cluster';
import type { Verdict } from './judge-pod';
import type { Pod } from './objects';
import type { PlacedAgent, Placement } from './placement';
import { adviseOnRefusal } from './privilege-ladder';
import { aborted } from './request';
import { watchObjects } from './watch';

/** Milliseconds that a pod may be without a node, or a Job without a pod, before the reason is looked for. */
const UNSCHEDULABLE_GRACE = 2000;
const NO_POD_GRACE = 500;
/** Milliseconds until an agent that runs already is watched: by then it has answered, as a rule. */
const RUNNING_GRACE = 250;
/** Milliseconds between two looks for that reason, at the most: it shows at once, or when something in the cluster changes. */
const LONGEST_NO_POD = 5000;

/**
 * Watches over an agent that starts: from before its Job or container exists until it serves, fails, or its time is up. It holds a watch
 * open until `finish()`, or at the latest the deadline.
 */
export class AgentStartup {
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Name of the pod, once its container runs. Rejects as `failed` does. */
  readonly running: Promise<string>;
  /** Never resolves; rejects with a MirrordError AGENT_* that says why the agent cannot come up. */
  readonly failed: Promise<never>;
  #resolveRunning!: (pod: string) => void;
  #reject!: (error: unknown) => void;
  #cluster: Cluster;
  #placement: Placement;
  #timeoutSeconds: number;
  #stop = new AbortController();
  #timers: NodeJS.Timeout[] = [];
  #placed: PlacedAgent | undefined;
  #pods: Pod[] = [];
  /** Every pod that was ever seen: the agent's may have come and gone before the answer that tells whose it was. */
  #seen = new Map<string, Pod>();
  #pod: Pod | undefined;
  #unschedulableSince: number | undefined;
  #waitsFor: string | undefined;
  #explaining = false;

  /** @param known pods of an agent that is there; without them the watch is opened at once */
  constructor(
    cluster: Cluster,
    placement: Placement,
    timeoutSeconds: number,
    signal?: AbortSignal,
    known?: readonly Pod[],
  ) {
    this.#cluster = cluster;
    this.#placement = placement;
    this.#timeoutSeconds = timeoutSeconds;
    this.deadline = Date.now() + timeoutSeconds * 1000;
    this.failed = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.running = Promise.race([
      new Promise<string>((resolve) => {
        this.#resolveRunning = resolve;
      }),
      this.failed,
    ]);
    // Whoever waits sees the rejection; nobody waiting is no reason to end the process.
    this.failed.catch(() => {});
    this.running.catch(() => {});
    this.#after(timeoutSeconds * 1000, () => this.#fail({ kind: 'over', code: 'AGENT_START_TIMEOUT', message: '' }));
    if (known) {
      this.#see([...known]);
      this.#after(RUNNING_GRACE, () => this.#watch());
    } else this.#watch();
    if (signal) this.#obey(signal);
  }

  /** Says which agent it is, once that is known. */
  follow(placed: PlacedAgent): void {
    this.#placed = placed;
    this.#judge();
    this.#after(NO_POD_GRACE, () => this.#lookForRejection());
  }

  /** Ends the watch and all timers. */
  finish(): void {
    this.#stop.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #obey(signal: AbortSignal): void {
    const onAbort = () => {
      this.#reject(aborted(signal));
      this.finish();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true, signal: this.#stop.signal });
  }

  #after(ms: number, run: () => void): void {
    this.#timers.push(setTimeout(run, ms));
  }

  #watch(): void {
    const { namespace, query } = this.#placement;
    watchObjects<Pod>(this.#cluster, {
      path: `/api/v1/namespaces/${namespace}/pods`,
      query,
      resource: 'pods',
      namespace,
      signal: this.#stop.signal,
      onChange: (pods) => this.#see(pods),
    }).catch((error) => this.#reject(error));
  }

  #see(pods: Pod[]): void {
    this.#pods = pods;
    for (const pod of pods) this.#seen.set(pod.metadata.uid, pod);
    this.#judge();
  }

  #judge(): void {
    const placed = this.#placed;
    if (!placed || this.#stop.signal.aborted) return;
    const pod = this.#pods.find((pod) => placed.owns(pod));
    this.#pod = pod ?? this.#pod;
    if (!pod && [...this.#seen.values()].some((pod) => placed.owns(pod))) {
      void this.#fail({
        kind: 'over',
        code: 'AGENT_FAILED',
        message: "The agent's pod was deleted while it started.",
      });
    }
    if (!pod) return;
    const verdict = placed.judge(pod);
    if (verdict.kind === 'running') this.#resolveRunning(pod.metadata.name);
    else if (verdict.kind === 'over') this.#fail(verdict);
    else if (verdict.kind === 'unschedulable') this.#noteUnschedulable(verdict.message);
    else this.#unschedulableSince = undefined;
  }

  #noteUnschedulable(message: string): void {
    this.#unschedulableSince ??= Date.now();
    if (Date.now() - this.#unschedulableSince < UNSCHEDULABLE_GRACE) {
      this.#after(UNSCHEDULABLE_GRACE, () => this.#judge());
      return;
    }
    this.#fail({
      kind: 'over',
      code: 'AGENT_UNSCHEDULABLE',
      message: `No node takes the agent's pod: ${message}`,
      hint: 'Lower "agent.resources", or set "agent.tolerations" or "agent.node_selector".',
    });
  }

  /** A Job whose pods are refused stays without one and says so only in its events; one that is gone says nothing at all. */
  async #lookForRejection(nextMs = 2 * NO_POD_GRACE): Promise<void> {
    if (this.#pod || !this.#placed || this.#stop.signal.aborted) return;
    const { signal } = this.#stop;
    const [events, owner] = await Promise.all([
      eventsOf(this.#cluster, this.#placement.namespace, this.#placed.uid),
      // Who may not read it goes on waiting.
      this.#placed.judgeOwner?.(this.#cluster, signal).catch((): Verdict => ({ kind: 'waiting' })),
    ]);
    if (this.#pod || signal.aborted) return;
    if (owner?.kind === 'over') return void this.#fail(owner);
    this.#waitsFor = owner?.kind === 'waiting' ? owner.what : undefined;
    const refusal = events.findLast(({ reason }) => reason === 'FailedCreate');
    if (!refusal) {
      this.#after(nextMs, () => this.#lookForRejection(Math.min(2 * nextMs, LONGEST_NO_POD)));
      return;
    }
    this.#fail({
      kind: 'over',
      code: 'AGENT_REJECTED',
      message: `The cluster refused the agent's pod: ${refusal.message}`,
      hint: adviseOnRefusal(refusal.message, this.#placement.namespace),
    });
  }

  async #fail(verdict: Extract<Verdict, { kind: 'over' }>): Promise<void> {
    if (this.#explaining || this.#stop.signal.aborted) return;
    this.#explaining = true;
    try {
      this.#reject(await this.#explain(verdict));
    } finally {
      this.finish();
    }
  }

  async #explain({ code, message, hint }: Extract<Verdict, { kind: 'over' }>): Promise<MirrordError> {
    const { namespace, inspect } = this.#placement;
    const uid = this.#pod?.metadata.uid ?? this.#placed?.uid;
    const { container = '' } = this.#placed ?? {};
    const [further, events, log] = await Promise.all([
      this.#pod && this.#placement.explain ? this.#placement.explain(this.#cluster, this.#pod) : [],
      uid ? eventsOf(this.#cluster, namespace, uid) : [],
      this.#pod ? logTail(this.#cluster, namespace, this.#pod.metadata.name, container) : [],
    ]);
    const lines = [
      message || this.#describeTimeout(),
      ...further,
      ...events.map((event) => `  event ${event.reason}: ${event.message}`),
      ...log.map((line) => `  log: ${line}`),
    ];
    return new MirrordError(code, lines.join('\n'), {
      hint: hint ?? `Look at it while it starts: ${inspect}`,
      details: { namespace, pod: this.#pod?.metadata.name },
    });
  }

  #describeTimeout(): string {
    const awaited = describeAwaited(this.#placed, this.#pod, this.#waitsFor);
    return `The agent did not serve within ${this.#timeoutSeconds} s (agent.startup_timeout). It was waiting for ${awaited}.`;
  }
}
