import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { MirrordError } from '../errors';
import type { Transport } from '../tunnel/transport';
import { dialSocket } from '../tunnel/transports/socket';
import { MAX_LINE, readLine, writeLine } from './control-line';
import type { ControlAnswer, ControlGreeting } from './control-messages';
import type { SessionAddress } from './session-token';

/** The owner is on the same host, but may have a hundred others to answer first, on a machine that starts them all. */
const ANSWER_LIMIT = 15_000;

/** This file is loaded once for each thread that has a session. */
const OWN_NAME = randomBytes(8).toString('hex');

export interface Attachment {
  answer: ControlAnswer;
  /** From here on a transport to the agent. */
  transport: Transport;
}

/** Rejects with ATTACH_FAILED when the owner is gone or does not accept the secret. */
export async function attachToOwner(
  { path, secret }: SessionAddress,
  signal?: AbortSignal,
  name = OWN_NAME,
): Promise<Attachment> {
  let socket: Socket | undefined;
  try {
    socket = (await dialSocket({ path }, { connectTimeoutMs: ANSWER_LIMIT })(signal)) as Socket;
    socket.on('error', () => {});
    const greeting: ControlGreeting = { version: 1, secret, pid: process.pid, name };
    writeLine(socket, greeting);
    const answer = await readLine<ControlAnswer>(socket, MAX_LINE, ANSWER_LIMIT);
    return { answer, transport: socket };
  } catch (cause) {
    socket?.destroy();
    signal?.throwIfAborted();
    const reason = (cause as Error).message;
    throw new MirrordError('ATTACH_FAILED', `cannot join the session of the parent process: ${reason}`, {
      hint: 'The process that owned the session has probably ended. Name a target (MIRRORD_TARGET) for a session of its own, or start this program from a process that has one.',
      cause,
    });
  }
}
