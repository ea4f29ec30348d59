import type { AgentSettings } from '../arguments';
import type { ProcessFacts } from '../target/process-facts';

/** Supervisor to worker, over the IPC channel. The token goes this way: it is in nobody's arguments or environment. */
export type ToWorker =
  /** Carries the listening handle. */
  | { type: 'serve'; settings: AgentSettings; target: ProcessFacts }
  /** Carries a connection that came before the handle was handed over. */
  | { type: 'connection' }
  /** Carries the listening handle for metrics, which is one of the agent's own pod. */
  | { type: 'metrics' }
  /** The container's main process was replaced. */
  | { type: 'target'; target: ProcessFacts }
  /** Say goodbye to the clients and end. */
  | { type: 'stop'; reason: string };

/** Worker to supervisor. */
export type FromWorker = { type: 'serving' };

/** First argument of the worker process; not for people. */
export const WORKER_ARGUMENT = '--worker';

/** Exit codes of both processes. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** How long clients may take to hear the goodbye, and how much longer the supervisor waits for its worker. */
export const DRAIN_MS = 2_000;
export const WORKER_EXIT_MS = 1_000;
