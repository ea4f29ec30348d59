import type { KubeObject } from '../types';

/** A number, or a percentage of `of`. */
function resolve(value: unknown, of: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(String(value ?? ''))?.[1];
  return percent === undefined ? 0 : round((Number(percent) * of) / 100);
}

export function maxSurge({ strategy, replicas }: any): number {
  return resolve(strategy?.rollingUpdate?.maxSurge, replicas, Math.ceil);
}

/** How many may be missing during a rollout. At least one where there is no surge, or it could not move. */
export function maxUnavailable(spec: any): number {
  const value = resolve(spec.strategy?.rollingUpdate?.maxUnavailable, spec.replicas, Math.floor);
  return Math.min(spec.replicas, value === 0 && maxSurge(spec) === 0 ? 1 : value);
}

/** Replicas of several sets: those wanted or those there are. */
export function total(sets: (KubeObject | undefined)[], of: 'spec' | 'status'): number {
  return sets.reduce((sum, set) => sum + (set?.[of]?.replicas ?? 0), 0);
}

/** Places that several sets take up: of each, what it wants or what it has, whichever is more. */
export function occupied(sets: (KubeObject | undefined)[]): number {
  return sets.reduce((sum, set) => sum + Math.max(set?.spec?.replicas ?? 0, set?.status?.replicas ?? 0), 0);
}
