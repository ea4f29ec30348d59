import type { ResolvedConfig } from '../config/types';
import type { AgentHandle, Progress } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { Booted } from './boot';
import { startControlServer } from './control-server';
import type { SessionFacts } from './messages';
import { SpareTransport } from './spare-transport';

/**
 * Makes a session of a link that is up: asks the agent for what the app's thread needs at once, and opens the control socket.
 * Closes the link when it rejects.
 */
export async function openSession(
  config: Pick<ResolvedConfig, 'feature'>,
  handle: Pick<AgentHandle, 'handoff' | 'dial'>,
  link: AgentLink,
  { progress, expectsChildren = false }: { progress: Progress; expectsChildren?: boolean },
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
    if (expectsChildren) spare.prepare();
    progress({ type: 'done', step: 'link', text: `connected: this process runs as ${describe(facts)}` });
    return {
      link,
      ready: { ...facts, podEnv: pod?.result.env ?? {}, session: control.session },
      async close(limitMs) {
        spare.close();
        await control.close(limitMs);
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
