import type { ConfigOverrides, ResolvedConfig } from '../config/types';
import { isMirrordError } from '../errors';
import type { AgentHandoff, DialHandoff, Progress } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { Dial, Transport } from '../tunnel/transport';
import { connectTunnel } from '../tunnel/tunnel';
import type { Boot, BootContext, Booted } from './boot';
import type { BringUpOptions, RunningAgent } from './bring-up';
import { clientName } from './client-name';
import { type Attachment, attachToOwner } from './control-client';
import { LastingLink } from './lasting-link';
import { parseSession, type SessionAddress } from './session-token';
import { untilGone } from './until-gone';

/** Local steps and one round trip to the agent. */
const START_LIMIT_MS = 30_000;

/** What is loaded only when the owner is gone; a process that ends before its owner never needs it. */
export interface WithoutOwner {
  dialHandoff(): Promise<DialHandoff>;
  ownerBoot(): Promise<(overrides: ConfigOverrides) => Boot>;
  bringUpAgent(): Promise<(config: ResolvedConfig, options: BringUpOptions) => Promise<RunningAgent>>;
}

/** A process that joins the session of its parent: a session of its own with the agent, over a transport that is lent. */
export function attachedBoot(session: string, withoutOwner: WithoutOwner): Boot {
  return async (context) => {
    const onFailure = context.env.MIRRORD_ON_FAILURE === 'continue' ? 'continue' : 'exit';
    context.onConfig({ startLimitMs: START_LIMIT_MS, onFailure });
    const address = parseSession(session);
    let attachment: Attachment;
    try {
      attachment = await attachToOwner(address, context.signal);
    } catch (error) {
      if (!isOwnerGone(error)) throw error;
      return startAfterOwner(error, context, withoutOwner);
    }
    const { facts } = attachment.answer;
    const first = await connectThrough(attachment, address, withoutOwner);
    const link = new LastingLink(first, {
      async renew(signal) {
        const { restart } = attachment.answer;
        try {
          attachment = await attachToOwner(address, signal);
        } catch (error) {
          if (!isOwnerGone(error) || !restart) throw error;
          return startAlone(restart, signal, context.progress, withoutOwner);
        }
        return connectThrough(attachment, address, withoutOwner);
      },
    });
    return { link, ready: { ...facts, podEnv: {}, session }, async close() {} };
  };
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

/**
 * The owner ended before this process was started, and with it went what it would have handed over. What is left is what the
 * environment and the files say; the variables of the pod were inherited.
 */
async function startAfterOwner(cause: unknown, context: BootContext, withoutOwner: WithoutOwner): Promise<Booted> {
  const boot = (await withoutOwner.ownerBoot())({});
  try {
    return await boot(context);
  } catch (error) {
    // Nobody has named a target: then this says more.
    throw isMirrordError(error) && error.code === 'TARGET_MISSING' ? cause : error;
  }
}

/** Neither owner nor agent: the Job's name is the same for everybody, so the processes that are left meet at one agent. */
async function startAlone(
  config: ResolvedConfig,
  signal: AbortSignal,
  tell: Progress,
  withoutOwner: WithoutOwner,
): Promise<AgentLink> {
  const bringUp = await withoutOwner.bringUpAgent();
  const { link, handle } = await bringUp(config, { progress: () => {}, signal });
  tell({ type: 'warn', step: 'link', text: `the agent was gone; agent ${handle.handoff.pod} serves this process now` });
  return link;
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
      const { answer, transport } = await attachToOwner(address, signal);
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

function isOwnerGone(error: unknown): boolean {
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  return ['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(code);
}
