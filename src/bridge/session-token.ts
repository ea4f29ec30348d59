import { createHash, timingSafeEqual } from 'node:crypto';
import { MirrordError } from '../errors';

/** Where the control socket of a session is, the secret it wants to hear first, and what to do where nobody listens any more. */
export interface SessionAddress {
  /** Path of a Unix socket, or name of a Windows pipe. */
  path: string;
  /** 256 bits in hex. */
  secret: string;
  /** What the session was asked for: see `packWish`. Undefined where that is too long for a variable. */
  wish?: string | undefined;
}

/** The form in MIRRORD_SESSION: `path:secret:wish`. */
export function formatSession({ path, secret, wish }: SessionAddress): string {
  return `${path}:${secret}${wish === undefined ? '' : `:${wish}`}`;
}

/** Throws SESSION_INVALID; never repeats the value, which holds a secret. */
export function parseSession(value: string): SessionAddress {
  const [, path, secret, wish] = /^(.+):([0-9a-f]{64})(?::([\w-]+))?$/s.exec(value) ?? [];
  if (!path || !secret) {
    throw new MirrordError('SESSION_INVALID', 'MIRRORD_SESSION is not of the form path:secret:wish', {
      hint: 'It is set by the process that owns the session. Unset it to start a session of your own.',
    });
  }
  return { path, secret, wish };
}

/** Compares in constant time, whatever the lengths. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
