import type { ResolvedConfig } from '../config/types';
import type { Progress, ProgressEvent } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { Booted } from './boot';
import type { ControlAnswer } from './control-messages';
import { type ControlServer, startControlServer } from './control-server';
import { type BringUp, type FollowedAgent, Following } from './following';
import { LastingLink } from './lasting-link';
import type { SessionFacts } from './messages';
import type { Reaper } from './reaper';
import { SpareTransport } from './spare-transport';

export interface OpenSessionOptions {
  progress: Progress;
  expectsChildren?: boolean;
  /** Removes the control socket's folder should this process be killed. */
  reaper?: Reaper;
  /**
   * Another agent, when the one of the session is gone or its pod goes away, or for the other pods of the target. Without it
   * the session ends with its agent.
   */
  bringUp?: BringUp;
  /** Gives the start up. */
  signal?: AbortSignal;
  /** For programs that are started when this process has ended: see `packWish`. */
  wish?: string | undefined;
}

/**
 * Makes a session of a link that is up: asks the agent for what the app's thread needs at once, and opens the control socket.
 * Closes the link when it rejects.
 */
export async function openSession(
  config: Pick<ResolvedConfig, 'feature'> & Partial<ResolvedConfig>,
  agent: FollowedAgent,
  { progress, expectsChildren = false, reaper, bringUp, signal, wish }: OpenSessionOptions,
): Promise<Booted> {
  let { handle } = agent;
  let leftPod: string | undefined;
  let facts: SessionFacts | undefined;
  let following: Following | undefined;
  const spare = new SpareTransport((signal) => handle.dial(signal));
  const others = () => following?.others.map((other) => other.handle) ?? [];
  const answer = (): ControlAnswer => ({
    handoff: handle.handoff,
    others: others().map(({ handoff }) => handoff),
    facts: forChildren(facts!),
  });
  let listening: Promise<ControlServer> | undefined;
  const listen = () =>
    startControlServer(answer, spare, {
      wish,
      find: (token) => others().find(({ handoff }) => handoff.token === token),
      beforeFolder: (path) => reaper?.guardFolder(path),
    });
  try {
    const { env } = config.feature;
    const asked = [
      agent.link.call('info', {}),
      env.enabled ? agent.link.call('env', { include: env.include, exclude: env.exclude }) : undefined,
    ] as const;
    // While the answers are on their way. The frames leave in a microtask, before the helper is forked, should it not run yet.
    listening = Promise.resolve().then(listen);
    const [control, info, pod] = await Promise.all([listening, ...asked]);
    facts = { target: handle.handoff.target, info: info.result, feature: config.feature };
    if (expectsChildren) spare.prepare();
    progress({ type: 'done', step: 'link', text: `connected: this process runs as ${describe(facts)}` });
    const booted = (link: AgentLink): Booted => ({
      link,
      ready: { ...facts!, podEnv: pod?.result.env ?? {}, session: control.session },
      async close(limitMs) {
        following?.close();
        spare.close();
        await control.close(limitMs);
        reaper?.end();
      },
    });
    if (!bringUp) return booted(agent.link);
    const link = new LastingLink(agent.link, {
      renew: async (signal) => {
        const next = await following!.next(signal);
        leftPod = handle.handoff.target?.pod;
        handle = next.handle;
        facts = { ...facts!, target: handle.handoff.target };
        spare.renew();
        return next.link;
      },
      onLost: ({ message }) => progress({ type: 'warn', step: 'link', text: lost(message) }),
      onRenewed: (early) => {
        control.changed();
        progress(early ? moved(leftPod, facts!) : again(handle.handoff.pod, facts!));
      },
    });
    following = new Following({
      config: config as ResolvedConfig,
      link,
      first: agent,
      bringUp,
      progress,
      onChange: () => control.changed(),
    });
    await following.start(signal);
    return booted(link);
  } catch (error) {
    following?.close();
    spare.close();
    void listening?.then((control) => control.close(0)).catch(() => {});
    await agent.link.close();
    throw error;
  }
}

function moved(from: string | undefined, facts: SessionFacts): ProgressEvent {
  const text = `pod ${from} goes away, and what is open to it ends with it; from now on this process runs as ${describe(facts)}`;
  return { type: 'warn', step: 'link', text };
}

function again(agentPod: string, facts: SessionFacts): ProgressEvent {
  return { type: 'done', step: 'link', text: `connected again: ${agentPod} serves ${describe(facts)}` };
}

function lost(reason: string): string {
  return `the agent is gone, its connections are reset and a new one is being started (${reason.split('\n')[0]})`;
}

/** A child has inherited the variables: values given in the configuration need not travel once more. */
function forChildren(facts: SessionFacts): SessionFacts {
  const { feature } = facts;
  return { ...facts, feature: { ...feature, env: { ...feature.env, override: {}, mapping: {} } } };
}

function describe({ target, info }: SessionFacts): string {
  return target ? `${target.pod}, container ${target.container}` : `the agent's pod ${info.hostname}, without a target`;
}
