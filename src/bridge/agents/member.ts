import { retryWhileStarting } from '../../kube/retry-while-starting';
import type { AgentHandoff, ChosenTarget, StartedAgent } from '../../kube/types';
import type { AgentLink } from '../../protocol/session-types';
import type { Dial } from '../../tunnel/transport';
import { connectTunnel, type Tunnel } from '../../tunnel/tunnel';
import { clientName } from '../client-name';

/** One agent of a session, with the link to it. */
export interface Member {
  /** Undefined without a target. */
  readonly target: ChosenTarget | undefined;
  readonly link: AgentLink;
  readonly handoff: AgentHandoff;
  readonly dial: Dial;
  /** Its pod goes away: what is open on it may end with it, and a link that is lost is not waited for. */
  retire(): void;
}

/**
 * Makes the first connection to an agent that was started.
 *
 * @throws as `retryWhileStarting` and `connectTunnel`
 */
export async function connectMember(started: StartedAgent): Promise<Member> {
  const { handoff, dial } = started;
  let retired = false;
  let lost = false;
  const end = () => {
    if (retired && lost) void tunnel.close();
  };
  const tunnel: Tunnel = await retryWhileStarting(started, () =>
    connectTunnel({
      dial,
      token: handoff.token,
      clientName: clientName(),
      onState(state) {
        lost = state === 'lost';
        end();
      },
    }),
  );
  return {
    target: handoff.target,
    link: tunnel,
    handoff,
    dial,
    retire() {
      retired = true;
      end();
    },
  };
}

/** What tells one life of a container from the next. */
export function sameContainer(a: ChosenTarget | undefined, b: ChosenTarget | undefined): boolean {
  return a?.podUid === b?.podUid && a?.containerId === b?.containerId;
}
