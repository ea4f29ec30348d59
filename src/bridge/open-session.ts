import type { ResolvedConfig } from '../config/types';
import type { AgentHandle, Progress } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { Booted } from './boot';
import type { ControlAnswer } from './control-messages';
import { startControlServer } from './control-server';
import { LastingLink } from './lasting-link';
import type { SessionFacts } from './messages';
import type { Reaper } from './reaper';
import { SpareTransport } from './spare-transport';

export interface OpenedAgent {
  handle: Pick<AgentHandle, 'handoff' | 'dial'> & Partial<Pick<AgentHandle, 'release'>>;
  link: AgentLink;
}

export interface OpenSessionOptions {
  progress: Progress;
  expectsChildren?: boolean;
  /** Removes the control socket's folder should this process be killed. */
  reaper?: Reaper;
  /** Another agent, once the one of the session is gone for good. Without it the session ends then. */
  renew?: (signal: AbortSignal) => Promise<OpenedAgent>;
}

/**
 * Makes a session of a link that is up: asks the agent for what the app's thread needs at once, and opens the control socket.
 * Closes the link when it rejects.
 */
export async function openSession(
  config: Pick<ResolvedConfig, 'feature'> & Partial<ResolvedConfig>,
  agent: OpenedAgent,
  { progress, expectsChildren = false, reaper, renew }: OpenSessionOptions,
): Promise<Booted> {
  let { handle } = agent;
  let facts: SessionFacts | undefined;
  const spare = new SpareTransport((signal) => handle.dial(signal));
  const answer = (): ControlAnswer => ({
    handoff: handle.handoff,
    facts: forChildren(facts!),
    ...(renew && { restart: withoutValues(config as ResolvedConfig) }),
  });
  const listening = startControlServer(answer, spare);
  try {
    const { env } = config.feature;
    const [info, pod, control] = await Promise.all([
      agent.link.call('info', {}),
      env.enabled ? agent.link.call('env', { include: env.include, exclude: env.exclude }) : undefined,
      listening,
    ]);
    if (control.folder) reaper?.guardFolder(control.folder);
    facts = { target: handle.handoff.target, info: info.result, feature: config.feature };
    if (expectsChildren) spare.prepare();
    progress({ type: 'done', step: 'link', text: `connected: this process runs as ${describe(facts)}` });
    const link = renew
      ? new LastingLink(agent.link, {
          renew: async (signal) => {
            const next = await renew(signal);
            handle.release?.();
            handle = next.handle;
            facts = { ...facts!, target: handle.handoff.target };
            spare.renew();
            return next.link;
          },
          onLost: ({ message }) => progress({ type: 'warn', step: 'link', text: lost(message) }),
          onRenewed: () =>
            progress({
              type: 'done',
              step: 'link',
              text: `connected again: ${handle.handoff.pod} serves ${describe(facts!)}`,
            }),
        })
      : agent.link;
    return {
      link,
      ready: { ...facts, podEnv: pod?.result.env ?? {}, session: control.session },
      async close(limitMs) {
        spare.close();
        await control.close(limitMs);
        reaper?.end();
      },
    };
  } catch (error) {
    spare.close();
    void listening.then((control) => control.close(0)).catch(() => {});
    await agent.link.close();
    throw error;
  }
}

function lost(reason: string): string {
  return `the agent is gone, its connections are reset and a new one is being started (${reason.split('\n')[0]})`;
}

/** A child has inherited the variables: values given in the configuration need not travel once more. */
function forChildren(facts: SessionFacts): SessionFacts {
  return { ...facts, feature: withoutValues(facts).feature };
}

function withoutValues<T extends Pick<ResolvedConfig, 'feature'>>(config: T): T {
  const { feature } = config;
  return { ...config, feature: { ...feature, env: { ...feature.env, override: {}, mapping: {} } } };
}

function describe({ target, info }: SessionFacts): string {
  return target ? `${target.pod}, container ${target.container}` : `the agent's pod ${info.hostname}, without a target`;
}
