import type { Values } from '../config/flatten';
import type { LoadedConfig } from '../config/load-config';
import type { ConfigOverrides, ResolvedConfig } from '../config/types';
import { isMirrordError, MirrordError } from '../errors';
import type { AgentHandoff, ChosenTarget, DialHandoff } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { Dial, Transport } from '../tunnel/transport';
import { connectTunnel } from '../tunnel/tunnel';
import type { Boot, BootContext, Booted } from './boot';
import type { BringUpOptions, RunningAgent } from './bring-up';
import { clientName } from './client-name';
import { type Attachment, attachToOwner, watchOwner } from './control-client';
import { LastingLink } from './lasting-link';
import { type Member, Replicas } from './replicas';
import { parseSession, type SessionAddress } from './session-token';
import { untilGone } from './until-gone';

/** Local steps and one round trip to the agent. */
const START_LIMIT_MS = 30_000;
/** What a start waits for the agents of further pods. */
const OTHERS_LIMIT_MS = 5_000;

/** What is loaded only when the owner is gone; a process that ends before its owner never needs it. */
export interface WithoutOwner {
  dialHandoff(): Promise<DialHandoff>;
  ownerBoot(): Promise<(overrides: ConfigOverrides) => Boot>;
  bringUpAgent(): Promise<(config: ResolvedConfig, options: BringUpOptions) => Promise<RunningAgent>>;
  reloadConfig(): Promise<(values: Values, env: NodeJS.ProcessEnv) => LoadedConfig>;
  unpackWish(): Promise<(packed: string) => Values>;
}

/** A process that joins the session of its parent: a session of its own with the agent, over a transport that is lent. */
export function attachedBoot(session: string, withoutOwner: WithoutOwner): Boot {
  return async (context) => {
    const onFailure = context.env.MIRRORD_ON_FAILURE === 'continue' ? 'continue' : 'exit';
    context.onConfig({ startLimitMs: START_LIMIT_MS, onFailure });
    const address = parseSession(session);
    let attachment: Attachment;
    try {
      attachment = await attachToOwner(address, { signal: context.signal });
    } catch (error) {
      if (!isOwnerGone(error)) throw error;
      if (address.wish === undefined) throw error;
      return startAfterOwner(address.wish, context, withoutOwner);
    }
    const { facts, handoff } = attachment.answer;
    let at = handoff.target;
    const first = await connectThrough(attachment, address, withoutOwner);
    const replicas: OtherAgents = new Replicas({
      connect: async ({ handoff }, signal) => {
        const other = await attachToOwner(address, { signal, agent: handoff.token });
        if (other.answer.handoff.token === handoff.token) {
          return { handoff, link: await connectThrough(other, address, withoutOwner) };
        }
        other.transport.destroy();
        throw new MirrordError('AGENT_GONE', `the agent of pod ${handoff.target?.pod} is gone`);
      },
      onUp: (agent, { pod }) => link.add(agent.link, pod),
    });
    const link = new LastingLink(first, {
      async renew(signal) {
        try {
          attachment = await attachToOwner(address, { signal });
          at = attachment.answer.handoff.target;
        } catch (error) {
          if (!isOwnerGone(error) || address.wish === undefined) throw error;
          const { link, handle } = await startAlone(address.wish, signal, context, withoutOwner);
          context.progress({ type: 'warn', step: 'link', text: described(at, handle.handoff) });
          at = handle.handoff.target;
          return link;
        }
        // The session may be at a pod now whose agent this process has a link to.
        const known = replicas.take([attachment.answer.handoff.token]);
        if (!known) return connectThrough(attachment, address, withoutOwner);
        attachment.transport.destroy();
        return known.link;
      },
    });
    const stop = new AbortController();
    const followed = follow(address, link, replicas, () => attachment, stop.signal);
    if (attachment.answer.others?.length) await followed;
    return {
      link,
      ready: { ...facts, podEnv: {}, session },
      async close() {
        stop.abort();
        replicas.close();
      },
    };
  };
}

type OtherAgents = Replicas<Member & { handoff: AgentHandoff }, { handoff: AgentHandoff; link: AgentLink }>;

/**
 * Goes where the owner goes: to the agent the session is at, and to those of the other pods. Resolves when there is a link to
 * each of the latter, or it has failed once; never rejects. Without the owner things stay as they are.
 */
function follow(
  address: SessionAddress,
  link: LastingLink,
  replicas: OtherAgents,
  current: () => Attachment,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const look = ({ handoff, others = [] }: Attachment['answer']) => {
      replicas.want(others.map((other) => ({ key: other.token, pod: other.target?.pod ?? other.pod, handoff: other })));
      if (handoff.token !== current().answer.handoff.token) link.moveOn();
      link.hurry();
      void replicas.tried(OTHERS_LIMIT_MS).then(resolve);
    };
    watchOwner(address, look, signal).catch(() => resolve());
  });
}

function connectThrough(
  { answer, transport }: Attachment,
  address: SessionAddress,
  withoutOwner: WithoutOwner,
): Promise<AgentLink> {
  return connectTunnel({
    dial: startingWith(transport, redial(address, answer.handoff, withoutOwner)),
    token: answer.handoff.token,
    clientName: clientName(),
  });
}

/** The owner ended before this process was started, which begins anew with what that was asked for. The variables were inherited. */
async function startAfterOwner(wish: string, context: BootContext, withoutOwner: WithoutOwner): Promise<Booted> {
  const loaded = await grant(wish, context, withoutOwner);
  const boot = (await withoutOwner.ownerBoot())({});
  return boot({ ...context, files: Promise.resolve({ loaded, kubeconfig: undefined }) });
}

async function grant(wish: string, { env }: BootContext, withoutOwner: WithoutOwner): Promise<LoadedConfig> {
  const [reloadConfig, unpackWish] = await Promise.all([withoutOwner.reloadConfig(), withoutOwner.unpackWish()]);
  return reloadConfig(unpackWish(wish), env);
}

/** Neither owner nor agent: the Job's name is the same for everybody, so the processes that are left meet at one agent. */
async function startAlone(
  wish: string,
  signal: AbortSignal,
  context: BootContext,
  withoutOwner: WithoutOwner,
): Promise<RunningAgent> {
  const { config } = await grant(wish, context, withoutOwner);
  const bringUp = await withoutOwner.bringUpAgent();
  return bringUp(config, { progress: () => {}, signal, tell: context.progress });
}

/** Without the owner nobody watches the pods: that one has gone shows by the end of its agent. */
function described(before: ChosenTarget | undefined, { pod: agent, target: now }: AgentHandoff): string {
  if (before?.podUid === now?.podUid) return `the agent was gone; agent ${agent} serves this process now`;
  return `pod ${before?.pod} is gone, and what was open to it is reset; from now on this process runs as ${now?.pod}, container ${now?.container}, with the variables of the one before until it is started again`;
}

function startingWith(first: Transport, next: Dial): Dial {
  let unused: Transport | undefined = first;
  return async (signal) => {
    const transport = unused;
    unused = undefined;
    return transport && !transport.destroyed ? transport : next(signal);
  };
}

/** By way of the owner while it is there, and to the cluster without it after that. */
function redial(address: SessionAddress, handoff: AgentHandoff, { dialHandoff }: WithoutOwner): Dial {
  let direct: Dial | undefined;
  return async (signal) => {
    if (direct) return direct(signal);
    try {
      const { answer, transport } = await attachToOwner(address, { signal, agent: handoff.token });
      if (answer.handoff.token === handoff.token) return transport;
      // The owner has another agent by now, which knows nothing of this session; the old one may still be there.
      transport.destroy();
    } catch (error) {
      if (!isMirrordError(error) || error.code !== 'ATTACH_FAILED') throw error;
    }
    const agent = (await dialHandoff())(handoff);
    direct = untilGone(agent.dial, agent.isOver);
    return direct(signal);
  };
}

const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);

/** The system's own error is below those that say what it means. */
function isOwnerGone(error: unknown, depth = 0): boolean {
  const { code = '', cause } = (error ?? {}) as NodeJS.ErrnoException;
  return NOBODY_LISTENS.has(code) || (depth < 4 && isOwnerGone(cause, depth + 1));
}
