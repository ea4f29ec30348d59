import { isMirrordError, MirrordError } from '../../errors';
import type { ChosenTarget, TargetPods } from '../../kube/types';
import { connectMember, type Member, sameContainer } from './member';

export interface SuccessorOptions {
  pods: TargetPods;
  /** A container that must not be taken again: it is on its way out. */
  not: ChosenTarget | undefined;
  /** An agent of that target which is there already. */
  existing: (target: ChosenTarget) => Member | undefined;
  signal: AbortSignal;
  /** Milliseconds after which nobody is waited for any more. */
  limitMs: number;
}

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;

/** Failures that time does not cure. */
const FINAL = new Set([
  'FORBIDDEN',
  'CONTAINER_NOT_FOUND',
  'TARGET_KIND_UNSUPPORTED',
  'TARGET_RUNTIME_UNSUPPORTED',
  'AGENT_IMAGE_PULL',
  'AGENT_REJECTED',
  'AGENT_CONFLICT',
  'PROTOCOL_MISMATCH',
  'KUBE_CREDENTIALS_FAILED',
  'KUBECONFIG_INVALID',
]);

/**
 * The agent of the best pod there is now, started if need be. Goes on looking while no pod is ready or the cluster does not
 * answer.
 *
 * @throws MirrordError of what stood in the way last, at the limit or when it is final; the signal's reason
 */
export async function findSuccessor({ pods, not, existing, signal, limitMs }: SuccessorOptions): Promise<Member> {
  const deadline = Date.now() + limitMs;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    signal.throwIfAborted();
    try {
      const target = (await pods.find(signal)).find((candidate) => !not || !sameContainer(candidate, not));
      if (target || !not) {
        const member = target && existing(target);
        return member ?? (await startMember(pods, target, signal));
      }
    } catch (error) {
      signal.throwIfAborted();
      if ((isMirrordError(error) && FINAL.has(error.code)) || Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) {
      throw new MirrordError('TARGET_GONE', `no other pod of the target came within ${limitMs / 1000} s`);
    }
    await wait(pause, signal);
  }
}

/** Starts or joins the agent of a pod and connects to it; leaves nothing behind when it rejects. */
export async function startMember(
  pods: TargetPods,
  target: ChosenTarget | undefined,
  signal: AbortSignal,
): Promise<Member> {
  const started = await pods.start(target, () => {}, signal);
  try {
    const member = await connectMember(started);
    if (!signal.aborted) {
      started.keep();
      return member;
    }
    await member.link.close();
    throw signal.reason;
  } catch (error) {
    await started.abandon();
    throw error;
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
