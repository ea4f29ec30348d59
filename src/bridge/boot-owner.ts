import { loadConfig } from '../config/load-config';
import type { ConfigOverrides } from '../config/types';
import { retryWhileStarting, startAgent } from '../kube/start-agent';
import type { AgentHandle } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import { connectTunnel } from '../tunnel/tunnel';
import type { Boot, BootContext } from './boot';
import { clientName } from './client-name';
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
      const link = await connect(handle, context);
      return await openSession(config, handle, link, { progress: context.progress, expectsChildren });
    } catch (error) {
      await handle.abandon();
      throw error;
    }
  };
}

async function connect(handle: AgentHandle, { progress, signal }: BootContext): Promise<AgentLink> {
  progress({ type: 'start', step: 'link', text: 'connecting to the agent' });
  const { token } = handle.handoff;
  const link = await retryWhileStarting(handle, () =>
    connectTunnel({ dial: handle.dial, token, clientName: clientName() }),
  );
  if (!signal.aborted) return link;
  await link.close();
  throw signal.reason;
}
