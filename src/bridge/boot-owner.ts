import { loadConfig } from '../config/load-config';
import type { ConfigOverrides, ResolvedConfig } from '../config/types';
import { leaveTerminal, takeTerminal } from '../kube/terminal';
import type { Boot, BootContext } from './boot';
import { bringUpAgent } from './bring-up';
import type { StartInput } from './messages';
import { openSession } from './open-session';
import { Reaper } from './reaper';

/** What a start may take beyond the agent's own limit: reading, finding the target, the first round trips. */
const BESIDE_AGENT_MS = 30_000;

type OwnerBootOptions = Pick<Extract<StartInput, { role: 'owner' }>, 'expectsChildren' | 'terminal'>;

/** The process that starts the session: finds the target, starts or joins the agent, and lets child processes attach. */
export function ownerBoot(overrides: ConfigOverrides, { expectsChildren, terminal }: OwnerBootOptions = {}): Boot {
  return async (context) => {
    if (terminal) takeTerminal();
    try {
      return await boot(context);
    } finally {
      leaveTerminal();
    }
  };

  async function boot(context: BootContext) {
    const { config, warnings } = loadConfig(overrides, context.env, context.cwd);
    context.onConfig({
      startLimitMs: config.agent.startupTimeout * 1_000 + BESIDE_AGENT_MS,
      onFailure: config.onFailure,
    });
    for (const text of warnings) context.progress({ type: 'warn', step: 'config', text });
    const { progress, signal } = context;
    const reaper = new Reaper();
    const agent = await bringUpAgent(config, { progress, signal, reaper });
    try {
      return await openSession(config, agent, { progress, expectsChildren, reaper, renew: renewal(config) });
    } catch (error) {
      await agent.handle.abandon();
      throw error;
    }
  }
}

/** The steps of a start that nobody waits for are not shown; its outcome is. */
function renewal(config: ResolvedConfig) {
  const progress: BootContext['progress'] = () => {};
  return (signal: AbortSignal) => bringUpAgent(config, { progress, signal });
}
