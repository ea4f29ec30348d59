import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MirrordError } from '../errors';
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
  /** What is left of it when this process is killed; undefined where nothing is. */
  readonly folder: string | undefined;
  /**
   * Lets nobody in any more and removes the socket. Resolves when those who had attached have gone, or at the limit: the
   * goodbye of a child that has just ended may still be on its way through.
   */
  close(limitMs: number): Promise<void>;
}

/**
 * The socket through which child processes join the session: they say the secret, get what they need to know, and from then
 * on the connection is a transport to the agent, piped on undecoded.
 */
export async function startControlServer(answer: () => ControlAnswer, spare: SpareTransport): Promise<ControlServer> {
  const secret = randomBytes(32).toString('hex');
  const place = choosePlace();
  const sockets = new Set<Socket>();
  const presence = new Presence();
  const turns = new Turns(GREETED_AT_ONCE, MAX_WAITING);

  async function greet(socket: Socket): Promise<void> {
    // It may have waited for longer than whoever asked.
    if (socket.destroyed) return;
    const line = await readLine<ControlGreeting>(socket, MAX_GREETING_LINE, GREETING_LIMIT);
    if (typeof line?.secret !== 'string' || !sameSecret(line.secret, secret)) return void socket.destroy();
    writeLine(socket, answer());
    const transport = await spare.take();
    const { pid, name } = line;
    passOnWithFarewell(socket, transport, { pid: Number(pid), isBack: presence.enter(`${pid} ${name}`, socket) });
    passOn(transport, socket);
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
    throw new MirrordError('CONTROL_SOCKET', `cannot listen on ${place.path}: ${(cause as Error).message}`, {
      hint: 'Child processes join the session through this socket. TMPDIR names the folder it is made in.',
      cause,
    });
  }
  server.on('error', () => {});
  // A worker that crashes has no time for close().
  process.once('exit', place.remove);
  return {
    session: formatSession({ path: place.path, secret }),
    folder: place.folder,
    async close(limitMs) {
      const gone = new Promise((resolve) => server.close(resolve));
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
function choosePlace(): Place {
  if (process.platform === 'win32') {
    return { path: `\\\\.\\pipe\\mirrord-${randomBytes(16).toString('hex')}`, folder: undefined, remove() {} };
  }
  for (const base of [tmpdir(), '/tmp']) {
    // mkdtemp appends six characters; the folder has mode 0700 from the start.
    if (Buffer.byteLength(join(base, 'mirrord-XXXXXX', 'control')) >= MAX_SOCKET_PATH) continue;
    const folder = mkdtempSync(join(base, 'mirrord-'));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    return { path: join(folder, 'control'), folder, remove };
  }
  throw new MirrordError('CONTROL_SOCKET', `the path of the temporary folder is too long for a socket: ${tmpdir()}`, {
    hint: 'Set TMPDIR to a folder with a shorter path.',
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
