import type { ResolvedConfig } from '../config/types';
import { isMirrordError } from '../errors';
import { retryWhileStarting, startAgent } from '../kube/start-agent';
import type { AgentHandle, GuardedJob, Progress } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import { clientName } from './client-name';
import { Reaper } from './reaper';
import { tellOutages } from './tell-outages';
import { untilGone } from './until-gone';

export interface RunningAgent {
  handle: AgentHandle;
  link: AgentLink;
}

export interface BringUpOptions {
  progress: Progress;
  signal: AbortSignal;
  /** Deletes the Job should this process be killed before the session is up. Default: one for this start alone. */
  reaper?: Reaper;
  /** Is told of outages of the link. */
  tell?: Progress;
  /** Instead of `startAgent`: for a pod that was chosen already. */
  start?: (guard: (job: GuardedJob) => void) => Promise<AgentHandle>;
}

/** What becomes of a start that joined an agent which was just ending by itself. */
const WAS_ENDING = new Set(['AGENT_FAILED', 'AGENT_GONE', 'AGENT_UNAUTHORIZED', 'AGENT_BUSY', 'LINK_LOST']);
const ROUNDS = 3;

/**
 * Starts or joins the agent of the configured target and makes a session with it. An agent that ends while it is joined is
 * replaced by a new one.
 *
 * @throws MirrordError as `startAgent` and `connectTunnel` do; then nothing of this call is left
 */
export async function bringUpAgent(config: ResolvedConfig, options: BringUpOptions): Promise<RunningAgent> {
  const { progress, signal, reaper = new Reaper() } = options;
  const { start = (guard) => startAgent(config, progress, signal, guard) } = options;
  try {
    for (let round = 1; ; round++) {
      const handle = await start((job) => reaper.guard(job));
      try {
        return { handle, link: await connect(handle, options) };
      } catch (error) {
        await handle.abandon();
        if (signal.aborted || round === ROUNDS || handle.created || !wasEnding(error)) throw error;
      }
    }
  } finally {
    // It is in use, or gone.
    reaper.forget();
    if (!options.reaper) reaper.end();
  }
}

function wasEnding(error: unknown): boolean {
  return isMirrordError(error) && WAS_ENDING.has(error.code);
}

async function connect(handle: AgentHandle, { progress, signal, tell }: BringUpOptions): Promise<AgentLink> {
  progress({ type: 'start', step: 'link', text: 'connecting to the agent' });
  const { token } = handle.handoff;
  const { connectTunnel } = await import('../tunnel/tunnel');
  const link = await retryWhileStarting(handle, () =>
    connectTunnel({
      dial: untilGone(handle.dial, handle.isOver),
      token,
      clientName: clientName(),
      onState: tell && tellOutages(tell),
    }),
  );
  if (!signal.aborted) return link;
  await link.close();
  throw signal.reason;
}
