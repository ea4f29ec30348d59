import type { ResolvedConfig } from '../config/types';
import type { AgentHandle, Progress, TargetPods } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import { followTarget, type LinkSet } from './agents/link-set';
import type { Member } from './agents/member';
import type { Booted } from './boot';
import type { ControlAnswer } from './control-messages';
import { startControlServer } from './control-server';
import type { SessionFacts } from './messages';
import { SpareTransport } from './spare-transport';

interface OpenOptions {
  progress: Progress;
  expectsChildren?: boolean;
  /** Where the agents after the first one come from; without it the session ends with its agent. */
  follow?: { first: Member; pods: TargetPods };
}

/**
 * Makes a session of a link that is up: asks the agent for what the app's thread needs at once, and opens the control socket.
 * Closes the link when it rejects.
 */
export async function openSession(
  config: Pick<ResolvedConfig, 'feature'> & { replicas?: 'one' | 'all' },
  handle: Pick<AgentHandle, 'handoff' | 'dial'>,
  link: AgentLink,
  { progress, expectsChildren = false, follow }: OpenOptions,
): Promise<Booted> {
  let { dial } = handle;
  let links: LinkSet | undefined;
  const spare = new SpareTransport((signal) => dial(signal));
  try {
    const { env } = config.feature;
    const [info, pod] = await Promise.all([
      link.call('info', {}),
      env.enabled ? link.call('env', { include: env.include, exclude: env.exclude }) : undefined,
    ]);
    const facts: SessionFacts = { target: handle.handoff.target, info: info.result, feature: config.feature };
    const answer: ControlAnswer = { handoff: handle.handoff, facts: forChildren(facts) };
    const control = await startControlServer(answer, spare);
    if (expectsChildren) spare.prepare();
    progress({ type: 'done', step: 'link', text: `connected: this process runs as ${describe(facts)}` });
    const onMoved = (member: Member) => {
      dial = member.dial;
      answer.handoff = member.handoff;
      answer.facts = { ...answer.facts, target: member.target };
      spare.renew();
    };
    if (follow) links = followTarget({ ...follow, replicas: config.replicas ?? 'one', progress, onMoved });
    return {
      link: links?.primary ?? link,
      links,
      ready: { ...facts, podEnv: pod?.result.env ?? {}, session: control.session },
      async close(limitMs) {
        spare.close();
        await Promise.all([links?.close(), control.close(limitMs)]);
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
