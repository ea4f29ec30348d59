import { MirrordError } from '../errors';
import { eventsOf, logTail } from './agent-evidence';
import type { AgentPlan } from './agent-job';
import type { Cluster } from './cluster';
import { judgePod, type Verdict } from './judge-pod';
import type { Job, Pod } from './objects';
import { describePod } from './pod-state';
import { aborted } from './request';
import { watchObjects } from './watch';

/** Milliseconds that a pod may be without a node, or a Job without a pod, before the reason is looked for. */
const UNSCHEDULABLE_GRACE = 2000;
const NO_POD_GRACE = 500;

/**
 * Watches over an agent that starts: from before its Job exists until it serves, fails, or its time is up. It holds a watch
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
  #plan: AgentPlan;
  #timeoutSeconds: number;
  #stop = new AbortController();
  #timers: NodeJS.Timeout[] = [];
  #job: Job | undefined;
  #pods: Pod[] = [];
  /** Jobs of which a pod was ever seen: it may have come and gone before the answer that tells the Job's uid. */
  #owners = new Set<string>();
  #pod: Pod | undefined;
  #unschedulableSince: number | undefined;
  #explaining = false;

  constructor(cluster: Cluster, plan: AgentPlan, timeoutSeconds: number, signal?: AbortSignal) {
    this.#cluster = cluster;
    this.#plan = plan;
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
    this.#watch();
    if (signal) this.#obey(signal);
  }

  /** Says which Job it is: pods of an earlier one of the same name are left out. */
  follow(job: Job): void {
    this.#job = job;
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
    const { namespace, jobName } = this.#plan;
    watchObjects<Pod>(this.#cluster, {
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: { labelSelector: `job-name=${jobName}` },
      resource: 'pods',
      namespace,
      signal: this.#stop.signal,
      onChange: (pods) => {
        this.#pods = pods;
        for (const owner of pods.flatMap(({ metadata }) => metadata.ownerReferences ?? [])) this.#owners.add(owner.uid);
        this.#judge();
      },
    }).catch((error) => this.#reject(error));
  }

  #judge(): void {
    const uid = this.#job?.metadata.uid;
    if (uid === undefined || this.#stop.signal.aborted) return;
    const pod = this.#pods.find(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
    this.#pod = pod ?? this.#pod;
    if (!pod && this.#owners.has(uid)) {
      void this.#fail({
        kind: 'over',
        code: 'AGENT_FAILED',
        message: "The agent's pod was deleted while it started.",
      });
    }
    if (!pod) return;
    const verdict = judgePod(pod);
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

  /** A Job whose pods are refused stays without one and says so only in its events. */
  async #lookForRejection(): Promise<void> {
    if (this.#pod || !this.#job || this.#stop.signal.aborted) return;
    const events = await eventsOf(this.#cluster, this.#plan.namespace, this.#job.metadata.uid);
    const refusal = events.findLast(({ reason }) => reason === 'FailedCreate');
    if (!refusal || this.#pod) {
      this.#after(NO_POD_GRACE, () => this.#lookForRejection());
      return;
    }
    this.#fail({
      kind: 'over',
      code: 'AGENT_REJECTED',
      message: `The cluster refused the agent's pod: ${refusal.message}`,
      hint: 'Pod security, a quota or an admission rule stands against it. The agent needs a namespace that allows hostPID and the capabilities SYS_ADMIN, SYS_PTRACE and NET_ADMIN; give one with "agent.namespace".',
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
    const { namespace, jobName } = this.#plan;
    const subject = this.#pod ?? this.#job;
    const [events, log] = await Promise.all([
      subject ? eventsOf(this.#cluster, namespace, subject.metadata.uid) : [],
      this.#pod ? logTail(this.#cluster, namespace, this.#pod.metadata.name) : [],
    ]);
    const lines = [
      message || this.#describeTimeout(),
      ...events.map((event) => `  event ${event.reason}: ${event.message}`),
      ...log.map((line) => `  log: ${line}`),
    ];
    return new MirrordError(code, lines.join('\n'), {
      hint: hint ?? `Look at it while it starts: kubectl -n ${namespace} describe job ${jobName}`,
      details: { namespace, job: jobName, pod: this.#pod?.metadata.name },
    });
  }

  #describeTimeout(): string {
    const state = this.#pod
      ? `its pod "${this.#pod.metadata.name}" is ${describePod(this.#pod)}`
      : this.#job
        ? 'its Job has no pod'
        : 'its Job was not created';
    return `The agent did not serve within ${this.#timeoutSeconds} s (agent.startup_timeout): ${state}.`;
  }
}
