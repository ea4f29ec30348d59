import { loadConfig } from '../config/load-config';
import type { ConfigOverrides } from '../config/types';
import { startAgent } from '../kube/start-agent';
import type { AgentHandle } from '../kube/types';
import { connectMember, type Member } from './agents/member';
import type { Boot, BootContext } from './boot';
import { openSession } from './open-session';

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
    const handle = await startAgent(config, context.progress, context.signal);
    try {
      const first = await connect(handle, context);
      const { progress } = context;
      const follow = { first, pods: handle.pods };
      const booted = await openSession(config, handle, first.link, { progress, expectsChildren, follow });
      handle.keep();
      return booted;
    } catch (error) {
      await handle.abandon();
      throw error;
    }
  };
}

async function connect(handle: AgentHandle, { progress, signal }: BootContext): Promise<Member> {
  progress({ type: 'start', step: 'link', text: 'connecting to the agent' });
  const member = await connectMember(handle);
  if (!signal.aborted) return member;
  await member.link.close();
  throw signal.reason;
}
