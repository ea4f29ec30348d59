import type { ResolvedConfig } from '../config/types';
import type { Dial } from '../tunnel/transport';

/** One line of progress; the presenter decides how it looks. */
export interface ProgressEvent {
  type: 'start' | 'done' | 'info' | 'warn' | 'fail';
  /** Stable name of the step: 'config', 'cluster', 'target', 'agent', 'link'. */
  step: string;
  text: string;
}
export type Progress = (event: ProgressEvent) => void;

/** The pod and container that were chosen. */
export interface ChosenTarget {
  /** As the user wrote it, e.g. `deployment/reviews`. */
  path: string;
  namespace: string;
  pod: string;
  podUid: string;
  podIP: string | undefined;
  container: string;
  containerId: string;
  nodeName: string;
  /** The pod uses the node's own network. */
  hostNetwork?: boolean;
  /** Why this one, in one line. */
  reason: string;
  /** Mount paths of the container's volumes: remote by the path rules (`magic.auto_mount`). */
  volumeMounts: { path: string; subPath: boolean }[];
}

/** All a process needs to reach a running agent by itself. Plain data. Holds the token: never in logs or arguments. */
export interface AgentHandoff {
  kubeconfig: string | undefined;
  context: string | undefined;
  acceptInvalidCertificates: boolean;
  namespace: string;
  pod: string;
  /** Port the agent listens on, on its pod's 127.0.0.1. */
  port: number;
  token: string;
  target: ChosenTarget | undefined;
}

/** The rest of a start: the container runs, the agent may not serve yet. */
export interface AgentStart {
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Never resolves; rejects with the reason when the agent's pod fails or the deadline is over. */
  readonly failed: Promise<never>;
  /** Ends the watch over the pod. */
  finish(): void;
}

/** A running agent. */
export interface StartedAgent {
  handoff: AgentHandoff;
  dial: Dial;
  /** Whether this call created the Job, or joined one that was there. */
  created: boolean;
  /** For the first connection, while the agent may not listen yet: see `retryWhileStarting`. */
  startup: AgentStart;
  /** The session stands: from now on the agent ends by itself, and not with whoever started it. */
  keep(): void;
  /** For a start that fails after this point: deletes the Job if this call created it. Never rejects. */
  abandon(): Promise<void>;
}

/** The agent a session begins with, and the way to those that come after it. */
export interface AgentHandle extends StartedAgent {
  pods: TargetPods;
}

/** The pods of a target while a session lasts. All of it uses the connections to the API server that the start has made. */
export interface TargetPods {
  /**
   * Those that can be the target now, the best first; without a target, one that is undefined.
   *
   * @throws MirrordError as the start does
   */
  find(signal?: AbortSignal): Promise<(ChosenTarget | undefined)[]>;
  /**
   * Tells all that can be the target, at first and whenever that changes, until the signal aborts. Never rejects: what cannot
   * be watched is tried again.
   */
  watch(onChange: (targets: ChosenTarget[]) => void, signal: AbortSignal): Promise<void>;
  /** Resolves with the reason when that very container ends or its pod is on its way out, or when the signal aborts. */
  untilLeaving(target: ChosenTarget, signal: AbortSignal): Promise<string>;
  /** Starts or joins the agent of a pod. Rejects as `StartAgent` does; its `abandon` leaves other agents alone. */
  start(target: ChosenTarget | undefined, progress: Progress, signal?: AbortSignal): Promise<StartedAgent>;
}

export type StartAgent = (config: ResolvedConfig, progress: Progress, signal?: AbortSignal) => Promise<AgentHandle>;
export type DialHandoff = (handoff: AgentHandoff) => Dial;
