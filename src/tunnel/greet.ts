import { MirrordError } from '../errors';
import { writeBuffers } from '../protocol/duplex-wire';
import { FrameType } from '../protocol/frame';
import { decodeGoaway } from '../protocol/goaway';
import { readFirstFrame } from '../protocol/greeting';
import { type AgentHello, type ClientHello, decodeAgentHello, encodeHello } from '../protocol/hello';
import { SessionError } from '../protocol/session-error';
import type { SetTimer } from '../protocol/timer';
import { describeVersions, settleVersion, VERSION_HINT } from '../protocol/version';
import type { Dial, Transport } from './transport';

export interface Greeting {
  transport: Transport;
  agent: AgentHello;
  /** What came behind the agent's HELLO. */
  rest: Uint8Array;
}

export interface GreetOptions {
  dial: Dial;
  hello: ClientHello;
  /** For dialling and HELLO together, in milliseconds. */
  limitMs: number;
  setTimer: SetTimer;
  signal?: AbortSignal;
}

/**
 * Dials and says HELLO.
 *
 * @throws SessionError (AGENT_UNAUTHORIZED, PROTOCOL_MISMATCH, AGENT_BUSY, LINK_LOST) when the agent refuses: trying again is
 * of no use; MirrordError LINK_TIMEOUT, LINK_LOST, or what `dial` throws: it may be
 */
export async function dialAndGreet({ dial, hello, limitMs, setTimer, signal }: GreetOptions): Promise<Greeting> {
  const transport = await dialWithin(dial, limitMs, setTimer, signal);
  const abort = () => void transport.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    writeBuffers(transport, encodeHello(hello));
    const { frame, rest } = await readFirstFrame(transport, limitMs, setTimer);
    if (frame.type === FrameType.GOAWAY) {
      const { code, text } = decodeGoaway(frame.payload);
      throw new SessionError(code, text);
    }
    const agent = decodeAgentHello(frame);
    checkVersion(hello, agent);
    return { transport, agent, rest };
  } catch (error) {
    transport.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** A dial that ignores its signal does not hold us up, and what it brings late is closed. */
function dialWithin(dial: Dial, limitMs: number, setTimer: SetTimer, signal?: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const controller = new AbortController();
    let given = false;
    const giveUp = (reason: unknown) => {
      given = true;
      controller.abort(reason);
      reject(reason);
    };
    const abort = () => giveUp(signal!.reason);
    const cancel = setTimer(limitMs, () => {
      giveUp(new MirrordError('LINK_TIMEOUT', `no connection to the agent within ${limitMs / 1000} s`));
    });
    signal?.addEventListener('abort', abort, { once: true });
    const settle = () => {
      cancel();
      signal?.removeEventListener('abort', abort);
    };
    dial(controller.signal).then(
      (transport) => {
        settle();
        // One that has ended would be listened to in vain, again and again by a link that is dialled anew.
        if (transport.destroyed) return reject(new MirrordError('LINK_LOST', 'the connection had ended already'));
        transport.on('error', () => {});
        if (given) transport.destroy();
        else resolve(transport);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}

function checkVersion(own: ClientHello, agent: AgentHello): void {
  if (settleVersion(own, agent) !== undefined) return;
  const text = `this mirrord (${own.clientVersion}) speaks protocol ${describeVersions(own)}, the agent (${agent.agentVersion}) ${describeVersions(agent)}`;
  const details = {
    clientProtocol: own.protocol,
    clientVersion: own.clientVersion,
    agentProtocol: agent.protocol,
    agentVersion: agent.agentVersion,
  };
  throw new SessionError('PROTOCOL_MISMATCH', text, details, VERSION_HINT);
}
