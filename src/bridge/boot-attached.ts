import { isMirrordError } from '../errors';
import type { AgentHandoff, DialHandoff } from '../kube/types';
import type { AgentLink } from '../protocol/session-types';
import type { Dial, Transport } from '../tunnel/transport';
import { connectTunnel } from '../tunnel/tunnel';
import { followOwner } from './agents/follow-owner';
import type { Boot } from './boot';
import { clientName } from './client-name';
import { attachToOwner } from './control-client';
import type { ControlAnswer } from './control-messages';
import { parseSession, type SessionAddress } from './session-token';

/** Local steps and one round trip to the agent. */
const START_LIMIT_MS = 30_000;

/**
 * A process that joins the session of its parent: a session of its own with the agent, over a transport that is lent.
 *
 * @param loadDialHandoff loaded only when the owner is gone; a process that ends before its owner never needs it
 */
export function attachedBoot(session: string, loadDialHandoff: () => Promise<DialHandoff>): Boot {
  return async (context) => {
    const onFailure = context.env.MIRRORD_ON_FAILURE === 'continue' ? 'continue' : 'exit';
    context.onConfig({ startLimitMs: START_LIMIT_MS, onFailure });
    const address = parseSession(session);
    const { link: first, answer } = await attach(address, loadDialHandoff, context.signal).catch((error) => {
      // The owner may just be moving to another agent, and have named the one and lent a connection to the other.
      if (error.code !== 'AGENT_UNAUTHORIZED') throw error;
      return attach(address, loadDialHandoff, context.signal);
    });
    const link = followOwner(first, async () => (await attach(address, loadDialHandoff)).link);
    return { link, ready: { ...answer.facts, podEnv: {}, session }, async close() {} };
  };
}

async function attach(
  address: SessionAddress,
  loadDialHandoff: () => Promise<DialHandoff>,
  signal?: AbortSignal,
): Promise<{ link: AgentLink; answer: ControlAnswer }> {
  const { answer, transport } = await attachToOwner(address, signal);
  const link = await connectTunnel({
    dial: startingWith(transport, redial(address, answer.handoff, loadDialHandoff)),
    token: answer.handoff.token,
    clientName: clientName(),
  });
  return { link, answer };
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
function redial(address: SessionAddress, handoff: AgentHandoff, loadDialHandoff: () => Promise<DialHandoff>): Dial {
  let direct: Dial | undefined;
  return async (signal) => {
    if (direct) return direct(signal);
    try {
      return (await attachToOwner(address, signal)).transport;
    } catch (error) {
      if (!isMirrordError(error) || error.code !== 'ATTACH_FAILED') throw error;
      direct = (await loadDialHandoff())(handoff);
      return direct(signal);
    }
  };
}
