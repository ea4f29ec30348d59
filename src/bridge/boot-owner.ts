import { loadConfig } from '../config/load-config';
import type { ConfigOverrides, ResolvedConfig } from '../config/types';
import { retryWhileStarting, startAgent } from '../kube/start-agent';
import type { AgentHandle } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import { connectTunnel } from '../tunnel/tunnel';
import type { Boot, BootContext, Booted } from './boot';
import { clientName } from './client-name';
import { startControlServer } from './control-server';
import type { SessionFacts } from './messages';
import { SpareTransport } from './spare-transport';

/** What a start may take beyond the agent's own limit: reading, finding the target, the first round trips. */
const BESIDE_AGENT_MS = 30_000;

/** The process that starts the session: finds the target, starts or joins the agent, and lets child processes attach. */
export function ownerBoot(overrides: ConfigOverrides): Boot {
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
      return await finish(config, handle, link, context);
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

async function finish(
  config: ResolvedConfig,
  handle: AgentHandle,
  link: AgentLink,
  { progress }: BootContext,
): Promise<Booted> {
  const spare = new SpareTransport(handle.dial);
  try {
    const { env } = config.feature;
    const [info, pod] = await Promise.all([
      link.call('info', {}),
      env.enabled ? link.call('env', { include: env.include, exclude: env.exclude }) : undefined,
    ]);
    const facts: SessionFacts = { target: handle.handoff.target, info: info.result, feature: config.feature };
    const control = await startControlServer({ handoff: handle.handoff, facts: forChildren(facts) }, spare);
    progress({ type: 'done', step: 'link', text: `connected: this process runs as ${describe(facts)}` });
    return {
      link,
      ready: { ...facts, podEnv: pod?.result.env ?? {}, session: control.session },
      close() {
        control.close();
        spare.close();
      },
    };
  } catch (error) {
    spare.close();
    await link.close();
    throw error;
  }
}

/** A child has inherited the variables: values given in the configuration need not travel once more. */
function forChildren(facts: SessionFacts): SessionFacts {
  const env = { ...facts.feature.env, override: {}, mapping: {} };
  return { ...facts, feature: { ...facts.feature, env } };
}

function describe({ target, info }: SessionFacts): string {
  return target ? `${target.pod}, container ${target.container}` : `the agent's pod ${info.hostname}, without a target`;
}
