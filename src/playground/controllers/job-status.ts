import { timestamp } from '../freeze';
import type { KubeObject } from '../types';

export interface JobCondition {
  type: 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet';
  status: 'True';
  reason: string;
  message: string;
  lastProbeTime: string;
  lastTransitionTime: string;
}

export interface JobStatus {
  startTime?: string;
  completionTime?: string;
  active?: number;
  ready?: number;
  terminating?: number;
  succeeded?: number;
  failed?: number;
  uncountedTerminatedPods?: Record<string, never>;
  conditions?: JobCondition[];
}

export function hasCondition({ conditions }: JobStatus, type: JobCondition['type']): boolean {
  return conditions?.some((condition) => condition.type === type) ?? false;
}

export function addCondition(status: JobStatus, type: JobCondition['type'], reason: string, message: string): void {
  if (hasCondition(status, type)) return;
  const now = timestamp();
  const condition: JobCondition = {
    type,
    status: 'True',
    lastProbeTime: now,
    lastTransitionTime: now,
    reason,
    message,
  };
  status.conditions = [...(status.conditions ?? []), condition];
}

/** When the job completed or failed, in milliseconds since 1970; undefined while it runs. */
export function finishedAt({ status }: KubeObject): number | undefined {
  const final = status?.conditions?.find(({ type }: JobCondition) => type === 'Complete' || type === 'Failed');
  return final ? Date.parse(final.lastTransitionTime) : undefined;
}
