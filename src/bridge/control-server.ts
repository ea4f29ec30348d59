import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MirrordError } from '../errors';
import type { AgentHandle } from '../kube/types';
import { MAX_GREETING_LINE, readLine, writeLine } from './control-line';
import type { ControlAnswer, ControlGreeting } from './control-messages';
import { passOnWithFarewell } from './farewell';
import { passOn } from './pass-on';
import { Presence } from './presence';
import { formatSession, sameSecret } from './session-token';
import type { SpareTransport } from './spare-transport';
import { Turns } from './turns';

/** Longest path of a Unix socket that every system takes, with some room: 104 bytes on macOS. */
const MAX_SOCKET_PATH = 100;
const GREETING_LIMIT = 2_000;
/** Who attaches at the same time; further ones wait, so that a hundred children do not dial the API server at once. */
const GREETED_AT_ONCE = 32;
const MAX_WAITING = 1_024;

export interface ControlServer {
  /** Value of MIRRORD_SESSION. */
  readonly session: string;
  /** The agents have changed: tells those who watch them. */
  changed(): void;
  /**
   * Lets nobody in any more and removes the socket. Resolves when those who had attached have gone, or at the limit: the
   * goodbye of a child that has just ended may still be on its way through.
   */
  close(limitMs: number): Promise<void>;
}

export interface ControlServerOptions {
  /** An agent by its token, beside the one that `answer` names. */
  find?: (token: string) => Pick<AgentHandle, 'handoff' | 'dial'> | undefined;
  /** Is told of the folder before there is one: what would be left when this process is killed. */
  beforeFolder?: (path: string) => void;
  /** For those who come when this process has ended: see `packWish`. */
  wish?: string | undefined;
}

/**
 * The socket through which child processes join the session: they say the secret, get what they need to know, and from then
 * on the connection is a transport to the agent, piped on undecoded.
 */
export async function startControlServer(
  answer: () => ControlAnswer,
  spare: SpareTransport,
  { find = () => undefined, beforeFolder = () => {}, wish }: ControlServerOptions = {},
): Promise<ControlServer> {
  const secret = randomBytes(32).toString('hex');
  const place = makePlace(beforeFolder);
  const sockets = new Set<Socket>();
  const watchers = new Set<Socket>();
  const presence = new Presence();
  const turns = new Turns(GREETED_AT_ONCE, MAX_WAITING);

  async function greet(socket: Socket): Promise<void> {
    // It may have waited for longer than whoever asked.
    if (socket.destroyed) return;
    const line = await readLine<ControlGreeting>(socket, MAX_GREETING_LINE, GREETING_LIMIT);
    if (typeof line?.secret !== 'string' || !sameSecret(line.secret, secret)) return void socket.destroy();
    if (line.watch) return watch(socket);
    const asked = typeof line.agent === 'string' ? find(line.agent) : undefined;
    writeLine(socket, asked ? { ...answer(), handoff: asked.handoff } : answer());
    const transport = await (asked ? asked.dial() : spare.take());
    const { pid, name } = line;
    passOnWithFarewell(socket, transport, { pid: Number(pid), isBack: presence.enter(`${pid} ${name}`, socket) });
    passOn(transport, socket);
  }

  function watch(socket: Socket): void {
    watchers.add(socket);
    socket.once('close', () => watchers.delete(socket));
    socket.once('end', () => socket.end());
    socket.resume();
    writeLine(socket, answer());
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const isTaken = turns.take(() => greet(socket).catch(() => void socket.destroy()));
    if (!isTaken) socket.destroy();
  });
  try {
    await listen(server, place.path);
    if (place.folder) chmodSync(place.path, 0o600);
  } catch (cause) {
    place.remove();
    throw noSocket(place.path, cause);
  }
  server.on('error', () => {});
  // A worker that crashes has no time for close().
  process.once('exit', place.remove);
  return {
    session: formatSession({ path: place.path, secret, wish }),
    changed() {
      for (const socket of watchers) {
        // Who does not read has no use for it, and is told no more.
        if (socket.writableNeedDrain) socket.destroy();
        else writeLine(socket, answer());
      }
    },
    async close(limitMs) {
      const gone = new Promise((resolve) => server.close(resolve));
      for (const socket of watchers) socket.destroy();
      place.remove();
      process.off('exit', place.remove);
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        gone,
        new Promise((resolve) => {
          timer = setTimeout(resolve, limitMs);
        }),
      ]);
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

interface Place {
  path: string;
  folder: string | undefined;
  remove(): void;
}

/** A fresh folder that only this user may enter; on Windows a pipe name that cannot be guessed. */
function makePlace(beforeFolder: (path: string) => void): Place {
  if (process.platform === 'win32') {
    return { path: `\\\\.\\pipe\\mirrord-${randomBytes(16).toString('hex')}`, folder: undefined, remove() {} };
  }
  for (const base of [tmpdir(), '/tmp']) {
    // Not by mkdtemp, which tells the name when it is too late. Nobody has that name: it cannot be guessed either.
    const folder = join(base, `mirrord-${randomBytes(9).toString('base64url')}`);
    const path = join(folder, 'control');
    if (Buffer.byteLength(path) >= MAX_SOCKET_PATH) continue;
    beforeFolder(folder);
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (cause) {
      throw noSocket(path, cause);
    }
    const remove = () => rmSync(folder, { recursive: true, force: true });
    return { path, folder, remove };
  }
  throw new MirrordError('CONTROL_SOCKET', `the path of the temporary folder is too long for a socket: ${tmpdir()}`, {
    hint: 'Set TMPDIR to a folder with a shorter path.',
  });
}

function noSocket(path: string, cause: unknown): MirrordError {
  return new MirrordError('CONTROL_SOCKET', `cannot listen on ${path}: ${(cause as Error).message}`, {
    hint: 'Child processes join the session through this socket. TMPDIR names the folder it is made in.',
    cause,
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
