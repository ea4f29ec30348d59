import { loadConfig } from '../config/load-config';
import type { ConfigOverrides, ResolvedConfig } from '../config/types';
import type { Boot, BootContext } from './boot';
import { type BringUpOptions, bringUpAgent } from './bring-up';
import { openSession } from './open-session';
import { Reaper } from './reaper';
import { tellOutages } from './tell-outages';

/** What a start may take beyond the agent's own limit: reading, finding the target, the first round trips. */
const BESIDE_AGENT_MS = 30_000;

/** The process that starts the session: finds the target, starts or joins the agent, and lets child processes attach. */
export function ownerBoot(overrides: ConfigOverrides, expectsChildren = false): Boot {
  return async (context) => {
    const { config, warnings } = loadConfig(overrides, context.env, context.cwd);
    context.onConfig({
      startLimitMs: config.agent.startupTimeout * 1_000 + BESIDE_AGENT_MS,
      onFailure: config.onFailure,
    });
    for (const text of warnings) context.progress({ type: 'warn', step: 'config', text });
    const { progress, signal } = context;
    const reaper = new Reaper();
    const onState = tellOutages(progress);
    const agent = await bringUpAgent(config, { progress, signal, reaper, onState });
    try {
      return await openSession(config, agent, { progress, expectsChildren, reaper, renew: renewal(config, onState) });
    } catch (error) {
      await agent.handle.abandon();
      throw error;
    }
  };
}

/** The steps of a start that nobody waits for are not shown; its outcome is. */
function renewal(config: ResolvedConfig, onState: BringUpOptions['onState']) {
  const progress: BootContext['progress'] = () => {};
  return (signal: AbortSignal) => bringUpAgent(config, { progress, signal, onState });
}
