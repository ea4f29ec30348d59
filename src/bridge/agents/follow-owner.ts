import { isMirrordError } from '../../errors';
import type { AgentLink } from '../../protocol/session-types';
import { SteadyLink } from './steady-link';

/** Milliseconds to look for the owner's next agent, and between two looks. */
const LIMIT = 600_000;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;

/**
 * An attached process goes where its owner goes: when the link to the agent has ended, it attaches once more, and is led to
 * the agent of the moment.
 *
 * @param attach one try; rejects with ATTACH_FAILED when the owner is gone, which ends the session
 */
export function followOwner(first: AgentLink, attach: () => Promise<AgentLink>): AgentLink {
  const steady = new SteadyLink(first, () => 'the agent has gone and the parent process has no other one yet');
  void keep(steady, first, attach);
  return steady;
}

async function keep(steady: SteadyLink, first: AgentLink, attach: () => Promise<AgentLink>): Promise<void> {
  let over = false;
  void steady.closed.then(() => {
    over = true;
  });
  for (let link = first; ; ) {
    const reason = await link.closed;
    try {
      if (over) return;
      link = await attachAgain(attach, () => over);
      steady.replace(link);
      if (over) return await link.close();
    } catch {
      steady.end(reason);
      return;
    }
  }
}

async function attachAgain(attach: () => Promise<AgentLink>, isOver: () => boolean): Promise<AgentLink> {
  const deadline = Date.now() + LIMIT;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await attach();
    } catch (error) {
      const ownerIsGone = isMirrordError(error) && error.code === 'ATTACH_FAILED';
      if (ownerIsGone || isOver() || Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
