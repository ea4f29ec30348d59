import type { ResolvedConfig } from '../config/types';
import type { Dial } from '../tunnel/transport';
import type { Kubeconfig } from './kubeconfig';

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
  /** TCP ports that the containers of the pod declare. */
  ports: number[];
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

/** What is seen of the target's pods at a moment. */
export interface TargetPods {
  /** Those that can be the target, the best first. */
  ready: ChosenTarget[];
  /** Ids of the containers that run in pods which are not going away, ready or not. */
  staying: Set<string>;
  /** Names of the pods that are not going away, whatever they do. */
  names: Set<string>;
}

/** All pods of the target whose agent this is. */
export interface Siblings {
  /**
   * Tells what there is, and after each change, until the signal aborts; then it resolves.
   *
   * @throws MirrordError when the pods may not be watched
   */
  follow(onChange: (pods: TargetPods) => void, signal: AbortSignal): Promise<void>;
  /** As `startAgent`, for that pod. The connections to the API server are shared with this agent's. */
  start(target: ChosenTarget, signal: AbortSignal, guard?: (job: GuardedJob) => void): Promise<AgentHandle>;
}

/** A running agent. */
export interface AgentHandle {
  /** Undefined without a target. */
  siblings: Siblings | undefined;
  handoff: AgentHandoff;
  dial: Dial;
  /** Whether the agent has ended although its pod can still be named. Rejects when the cluster does not tell. */
  isOver(): Promise<boolean>;
  /** Whether this call created the Job, or joined one that was there. */
  created: boolean;
  /** For the first connection, while the agent may not listen yet: see `retryWhileStarting`. */
  startup: AgentStart;
  /** For a start that fails after this point: deletes the Job if this call created it. Never rejects. */
  abandon(): Promise<void>;
  /** Closes what is kept open to the API server. A later dial still works. */
  release(): void;
}

/** A Job that is about to be created, for whoever deletes it should this process be killed meanwhile. Free of secrets. */
export interface GuardedJob {
  access: { kubeconfig: string | undefined; context: string | undefined; acceptInvalidCertificates: boolean };
  namespace: string;
  jobName: string;
  /** Tells the Job of this very start from one that somebody else has made. */
  startId: string;
}

export type StartAgent = (
  config: ResolvedConfig,
  progress: Progress,
  signal?: AbortSignal,
  /** Called before the Job is created. */
  guard?: (job: GuardedJob) => void,
  /** What the kubeconfig holds, where it was just read. */
  read?: Kubeconfig,
) => Promise<AgentHandle>;
export type DialHandoff = (handoff: AgentHandoff) => Pick<AgentHandle, 'dial' | 'isOver'>;
