import { MirrordError } from '../../errors';
import type { ChosenTarget, Progress, TargetPods } from '../../kube/types';
import type { AgentLink } from '../../protocol/session-types';
import { findSuccessor, startMember } from './find-successor';
import { type Member, sameContainer } from './member';
import { SteadyLink } from './steady-link';

/** Called for an agent that has joined; what it returns is called when that agent has gone. */
export type OnMember = (member: Member) => (() => void) | undefined;

/** The agents of a session: one, or with `target.replicas: all` one for each pod. */
export interface LinkSet {
  /** To the agent of one pod, for all but incoming traffic; moves to another one when that pod goes away. */
  readonly primary: AgentLink;
  /** For what concerns every pod: called at once for the agents there are, and for each that joins. */
  each(onMember: OnMember): void;
  close(): Promise<void>;
}

export interface LinkSetOptions {
  first: Member;
  pods: TargetPods;
  replicas: 'one' | 'all';
  progress: Progress;
  /** The primary is another agent from now on. */
  onMoved: (member: Member) => void;
  /** Milliseconds to wait for a successor. Default 10 min. */
  limitMs?: number;
}

/** Milliseconds a primary has to last before losing it counts as a single mishap again. */
const STABLE = 30_000;
const MOST_LOSSES = 5;
const LIMIT = 600_000;

/** Follows the pods of a target for as long as the session lasts. */
export function followTarget({ first, pods, replicas, progress, onMoved, limitMs = LIMIT }: LinkSetOptions): LinkSet {
  const stop = new AbortController();
  const { signal } = stop;
  const members = new Set<Member>();
  const starting = new Set<string>();
  const listeners = new Set<OnMember>();
  let vacant = 'no agent is there';
  const primary = new SteadyLink(first.link, () => vacant);

  function add(member: Member): void {
    members.add(member);
    for (const listener of listeners) introduce(member, listener);
    void member.link.closed.then(() => members.delete(member));
  }

  function introduce(member: Member, listener: OnMember): void {
    const leave = listener(member);
    if (leave) void member.link.closed.then(leave);
  }

  const existing = (target: ChosenTarget) => [...members].find((member) => sameContainer(member.target, target));

  async function keepPrimary(): Promise<void> {
    let losses = 0;
    for (let member = first; ; ) {
      const since = Date.now();
      const { why, leaving } = await endOf(member, pods, signal);
      if (signal.aborted) return;
      vacant = why;
      losses = Date.now() - since < STABLE ? losses + 1 : 1;
      try {
        if (losses > MOST_LOSSES) throw new MirrordError('AGENT_GONE', `${losses} agents were lost in a row`);
        const not = leaving ? member.target : undefined;
        const next = await findSuccessor({ pods, not, existing, signal, limitMs });
        if (!members.has(next)) add(next);
        primary.replace(next.link);
        onMoved(next);
        progress({ type: 'warn', step: 'link', text: `${why}; ${describeMove(member, next)}` });
        member.retire();
        member = next;
      } catch (error) {
        if (!signal.aborted) primary.end(lost(why, error));
        return;
      }
    }
  }

  /** Starts the agents of pods that have none. An agent leaves by itself when its pod does. */
  function keepReplicas(targets: ChosenTarget[]): void {
    for (const target of targets) {
      const key = `${target.podUid} ${target.containerId}`;
      if (existing(target) || starting.has(key)) continue;
      starting.add(key);
      startMember(pods, target, signal)
        .then((member) => {
          add(member);
          progress({ type: 'info', step: 'link', text: `also connected: ${target.pod}` });
        })
        .catch((error: Error) => {
          if (signal.aborted) return;
          progress({ type: 'warn', step: 'link', text: `pod ${target.pod} is left out: ${error.message}` });
        })
        .finally(() => starting.delete(key));
    }
  }

  add(first);
  void keepPrimary();
  if (replicas === 'all') void pods.watch(keepReplicas, signal);
  return {
    primary,
    each(onMember) {
      listeners.add(onMember);
      for (const member of members) introduce(member, onMember);
    },
    async close() {
      stop.abort(new MirrordError('SESSION_CLOSED', 'the session was closed'));
      const links = [...members].map(({ link }) => link.close());
      await Promise.allSettled([primary.close(), ...links]);
    },
  };
}

/** Waits until an agent is of no more use: its pod is on its way out, or the link to it has ended. */
async function endOf({ target, link }: Member, pods: TargetPods, signal: AbortSignal) {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener('abort', end, { once: true });
  const who = target ? `pod ${target.pod}` : 'the agent';
  const ended = link.closed.then((reason) => ({
    why: `the agent of ${who} has ended${reason ? ` (${reason.message})` : ''}`,
    leaving: false,
  }));
  const left = target
    ? pods.untilLeaving(target, over.signal).then((why) => ({ why: `${who} goes away: ${why}`, leaving: true }))
    : new Promise<never>(() => {});
  try {
    return await Promise.race([ended, left, aborted(signal)]);
  } finally {
    signal.removeEventListener('abort', end);
    over.abort();
  }
}

function aborted(signal: AbortSignal): Promise<{ why: string; leaving: boolean }> {
  const answer = { why: 'the session was closed', leaving: false };
  return new Promise((resolve) => {
    if (signal.aborted) resolve(answer);
    else signal.addEventListener('abort', () => resolve(answer), { once: true });
  });
}

function describeMove(from: Member, to: Member): string {
  const { target } = to;
  if (!target) return 'a new agent has taken over';
  return sameContainer(from.target, target)
    ? `a new agent serves the same pod`
    : `this process now runs as ${target.pod}, container ${target.container} (${target.reason})`;
}

function lost(why: string, error: unknown): MirrordError {
  return new MirrordError('TARGET_GONE', `${why}, and there is no successor: ${(error as Error).message}`, {
    hint: 'Start the app again once a pod of the target is ready.',
    cause: error,
  });
}
