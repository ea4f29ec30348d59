import type { ResolvedConfig } from '../../config/types';
import { isMirrordError } from '../../errors';
import type { Cluster } from '../cluster';
import type { Pod } from '../objects';
import type { ChosenTarget } from '../types';

/** What one look has found. `skipped`: it could not be looked at, which need not mean that anything is wrong. */
export interface Check {
  /** Stable, for programs: `right:get pods`, `pod-security`. */
  name: string;
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** One line. */
  detail: string;
  /** What to do: sentences, or YAML to apply. */
  remedy?: string;
}

/** What the checks look at. Without a target, or when it was not found, there is no pod. */
export interface Subject {
  cluster: Cluster;
  config: ResolvedConfig;
  /** Of the target, and of the agent: the same, unless configured otherwise. */
  namespace: string;
  agentNamespace: string;
  target?: ChosenTarget;
  pod?: Pod;
  signal?: AbortSignal;
}

export const ok = (name: string, detail: string): Check => ({ name, status: 'ok', detail });
export const warning = (name: string, detail: string, remedy?: string): Check => ({
  name,
  status: 'warning',
  detail,
  remedy,
});
export const failed = (name: string, detail: string, remedy?: string): Check => ({
  name,
  status: 'failed',
  detail,
  remedy,
});

/** A check that may not be made is skipped; any other failure of it is a result too. */
export async function guarded(name: string, run: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await run();
  } catch (error) {
    if (!isMirrordError(error)) throw error;
    if (error.code === 'FORBIDDEN') return [{ name, status: 'skipped', detail: firstLine(error.message) }];
    return [failed(name, firstLine(error.message), error.hint)];
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0]!;
}
