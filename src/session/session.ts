import type { ChosenTarget } from '../kube/types';

/** A session of this process. */
export interface Session extends AsyncDisposable {
  /** The variables that the session has set in `process.env`; empty in a process that has inherited them. */
  readonly env: Record<string, string>;
  /** The pod and container; undefined without a target. */
  readonly target: ChosenTarget | undefined;
  /** Hostname of the pod. */
  readonly hostname: string;
  /**
   * Takes the patches back, restores `process.env` and ends the session. A session that the preload started keeps running:
   * it belongs to the whole process.
   */
  close(): Promise<void>;
}
