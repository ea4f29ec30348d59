import { createHash, timingSafeEqual } from 'node:crypto';
import { MirrordError } from '../errors';

/** Where the control socket of a session is, and the secret it wants to hear first. */
export interface SessionAddress {
  /** Path of a Unix socket, or name of a Windows pipe. */
  path: string;
  /** 256 bits in hex. */
  secret: string;
}

/** The form in MIRRORD_SESSION: `path:secret`. */
export function formatSession({ path, secret }: SessionAddress): string {
  return `${path}:${secret}`;
}

/** Throws SESSION_INVALID; never repeats the value, which holds a secret. */
export function parseSession(value: string): SessionAddress {
  const [, path, secret] = /^(.+):([0-9a-f]{64})$/s.exec(value) ?? [];
  if (!path || !secret) {
    throw new MirrordError('SESSION_INVALID', `MIRRORD_SESSION is not of the form path:secret`, {
      hint: 'It is set by the process that owns the session. Unset it to start a session of your own.',
    });
  }
  return { path, secret };
}

/** Compares in constant time, whatever the lengths. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
