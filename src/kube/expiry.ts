import type { Credentials } from './credentials';

/** Milliseconds: a token that expires on its way would cost a round trip and a confusing answer. */
const MARGIN = 30_000;

/** @param at milliseconds since the epoch; undefined or no number = not known */
export function expiry(at: number | undefined): Pick<Credentials, 'refreshAt' | 'expiresAt'> {
  return at !== undefined && Number.isFinite(at) ? { expiresAt: at, refreshAt: at - MARGIN } : {};
}
