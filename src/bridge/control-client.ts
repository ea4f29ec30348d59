import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { MirrordError } from '../errors';
import type { Transport } from '../tunnel/transport';
import { dialSocket } from '../tunnel/transports/socket';
import { MAX_LINE, readLine, writeLine } from './control-line';
import type { ControlAnswer, ControlGreeting } from './control-messages';
import type { SessionAddress } from './session-token';

/** The owner is on the same host, but may have a hundred others to answer first, on a machine that starts them all: less than a start may take. */
const ANSWER_LIMIT = 25_000;

/** This file is loaded once for each thread that has a session. */
const OWN_NAME = randomBytes(8).toString('hex');

export interface Attachment {
  answer: ControlAnswer;
  /** From here on a transport to the agent. */
  transport: Transport;
}

export interface AttachOptions {
  signal?: AbortSignal;
  name?: string;
  /** Token of the agent to be connected with. */
  agent?: string;
}

/** Rejects with ATTACH_FAILED when the owner is gone or does not accept the secret. */
export async function attachToOwner(address: SessionAddress, options: AttachOptions = {}): Promise<Attachment> {
  const { name = OWN_NAME, agent, signal } = options;
  const { answer, socket } = await greetOwner(address, { name, agent }, signal);
  return { answer, transport: socket };
}

/**
 * Tells which agents the session has, each time they change. Resolves when the owner has gone, or the signal aborts.
 * Rejects with ATTACH_FAILED.
 */
export async function watchOwner(
  address: SessionAddress,
  onChange: (answer: ControlAnswer) => void,
  signal: AbortSignal,
): Promise<void> {
  const { answer, socket } = await greetOwner(address, { name: OWN_NAME, watch: true }, signal);
  const abort = () => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  onChange(answer);
  try {
    for await (const line of createInterface({ input: socket })) onChange(JSON.parse(line) as ControlAnswer);
  } catch {
    // Half a line, or a socket that was cut: the owner has gone.
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

async function greetOwner(
  { path, secret }: SessionAddress,
  greeting: Pick<ControlGreeting, 'name' | 'agent' | 'watch'>,
  signal?: AbortSignal,
): Promise<{ answer: ControlAnswer; socket: Socket }> {
  let socket: Socket | undefined;
  try {
    socket = (await dialSocket({ path }, { connectTimeoutMs: ANSWER_LIMIT })(signal)) as Socket;
    socket.on('error', () => {});
    writeLine(socket, { version: 1, secret, pid: process.pid, ...greeting } satisfies ControlGreeting);
    const answer = await readLine<ControlAnswer>(socket, MAX_LINE, ANSWER_LIMIT);
    return { answer, socket };
  } catch (cause) {
    socket?.destroy();
    signal?.throwIfAborted();
    const reason = (cause as Error).message;
    throw new MirrordError('ATTACH_FAILED', `cannot join the session of the parent process: ${reason}`, {
      hint: 'The process that owned the session has probably ended. Start this program from a process that has one, or without MIRRORD_SESSION and with a target of its own (MIRRORD_TARGET).',
      cause,
    });
  }
}
