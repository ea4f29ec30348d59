import type { ConfigOverrides } from './config/types';
import { bundlePaths } from './runtime/bundle-paths';
import { ownFolder } from './session/own-folder';
import type { Session } from './session/session';
import { startSession as start } from './session/start-session';

export type { AddressFilter, ConfigOverrides } from './config/types';
export { isMirrordError, MirrordError, type MirrordErrorOptions } from './errors';
export type { ChosenTarget } from './kube/types';
export type { Session } from './session/session';

/**
 * Gives this process the environment, files, names and outgoing connections of a pod until the session is closed.
 *
 * @param options keys of the configuration file; they win over the file and over `MIRRORD_*` variables
 * @throws MirrordError with a stable `code`; SESSION_ACTIVE while another session of this process is up
 */
export function startSession(options: ConfigOverrides = {}): Promise<Session> {
  return start(options, bundlePaths(ownFolder()));
}

/** Returns the configuration as it is; gives editors the types. */
export function defineConfig(config: ConfigOverrides): ConfigOverrides {
  return config;
}
