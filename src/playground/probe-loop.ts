import { setTimeout as sleep } from 'node:timers/promises';
import type { ProbeResult } from './probe-check';

export interface ProbeLoopOptions {
  probe: any;
  check(): Promise<ProbeResult>;
  /** The success threshold was met. */
  onPass(): void;
  /** The failure threshold was met. */
  onFail(result: ProbeResult): void;
  /** Each failed check, also below the threshold. */
  onMiss(result: ProbeResult): void;
  /**
   * Ask again after 50, 100, 200 ms… until the first success, instead of waiting whole periods. A playground starts pods to test
   * with them at once; these extra checks never count as failures.
   */
  eager: boolean;
  /** Ends the loop; true when it should end after the first pass (a startup probe). */
  once?: boolean;
  signal: AbortSignal;
}

/** Repeats a probe until `signal` aborts. Never rejects. */
export async function runProbe(options: ProbeLoopOptions): Promise<void> {
  const { probe, signal } = options;
  const period = (probe.periodSeconds ?? 10) * 1000;
  const failureThreshold = probe.failureThreshold ?? 3;
  const successThreshold = probe.successThreshold ?? 1;
  let passes = 0;
  let misses = 0;
  let eagerDelay = options.eager ? 50 : period;
  let nextPeriod = Date.now() + (probe.initialDelaySeconds ?? 0) * 1000;
  if (!(await pause(nextPeriod - Date.now(), signal))) return;
  while (!signal.aborted) {
    const counts = Date.now() >= nextPeriod;
    if (counts) nextPeriod = Date.now() + period;
    const result = await options.check();
    if (signal.aborted) return;
    if (result.ok) {
      eagerDelay = period;
      misses = 0;
      passes++;
      if (passes >= successThreshold) options.onPass();
      if (options.once && passes >= successThreshold) return;
    } else if (counts) {
      passes = 0;
      misses++;
      options.onMiss(result);
      if (misses >= failureThreshold) {
        options.onFail(result);
        misses = 0;
      }
    }
    if (!(await pause(Math.min(eagerDelay, Math.max(0, nextPeriod - Date.now())), signal))) return;
    eagerDelay = Math.min(eagerDelay * 2, period);
  }
}

/** False when it was interrupted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(Math.max(0, milliseconds), undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
