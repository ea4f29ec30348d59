import events from 'node:events';
import type { ReadyData } from '../bridge/messages';

/** A session that is up in this thread. */
export interface ActiveSession {
  origin: 'preload' | 'api';
  ready: ReadyData;
  /** Variables the session has set. */
  env: Record<string, string>;
}

/**
 * On a core module, not on `globalThis`: each test file of Jest has a global object of its own, but the core modules are the
 * same. Found by every copy of this code, in whichever bundle.
 */
const KEY = Symbol.for('mirrord.session');
const holder = events as unknown as Record<symbol, ActiveSession | 'starting' | undefined>;

export function activeSession(): ActiveSession | 'starting' | undefined {
  return holder[KEY];
}

export function setActiveSession(session: ActiveSession | 'starting' | undefined): void {
  Object.defineProperty(holder, KEY, { value: session, configurable: true, enumerable: false });
}
