import { resetSocket, type SplicableSocket } from '../protocol/splice';

/**
 * Milliseconds an app has to read what has arrived: libuv takes a reset that comes while bytes are unread for an orderly end, and
 * the app half of an answer for the whole (notes/node/tcp-handles.md).
 */
const READ_TIME = 200;

/** Resets a connection to the app, or to a server of it, whose other half is lost with the session. */
export function loseConnection(socket: SplicableSocket): void {
  const timer = setTimeout(() => resetSocket(socket), READ_TIME);
  socket.once('close', () => clearTimeout(timer));
}
