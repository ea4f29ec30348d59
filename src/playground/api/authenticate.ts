import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { StatusError } from '../status-error';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Checks the bearer token, in a time that does not depend on how much of it is right.
 *
 * @returns whether the request is anonymous.
 * @throws StatusError 401 for a wrong one.
 */
export function authenticate({ headers }: IncomingMessage, token: string): 'anonymous' | 'user' {
  const authorization = headers.authorization;
  if (!authorization) return 'anonymous';
  const [, presented = ''] = /^Bearer\s+(.+)$/i.exec(authorization) ?? [];
  if (timingSafeEqual(digest(presented), digest(token))) return 'user';
  throw new StatusError(401, 'Unauthorized', 'Unauthorized');
}
