import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { ReadyData } from '../bridge/messages';
import { MirrordError } from '../errors';
import { readFileSync } from '../patches/originals';
import { changeOf, type EnvironmentChange } from './environment';

/** Reads `feature.env.env_file`, in the format of Node's `--env-file`. Throws ENV_FILE_UNREADABLE. */
export function readEnvFile(path: string | undefined, cwd: string): Record<string, string> {
  if (path === undefined) return {};
  const absolute = resolve(cwd, path);
  try {
    return parseEnv(readFileSync(absolute, 'utf8')) as Record<string, string>;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new MirrordError('ENV_FILE_UNREADABLE', `cannot read the env_file ${absolute}: ${code ?? message}`, {
      hint: 'Correct feature.env.env_file (or MIRRORD_OVERRIDE_ENV_VARS_FILE), or leave it out.',
      cause,
    });
  }
}

/** What a session that is up changes in the environment. Throws ENV_FILE_UNREADABLE. */
export function environmentChange({ podEnv, feature }: ReadyData, cwd: string): EnvironmentChange {
  return changeOf(podEnv, feature.env, readEnvFile(feature.env.envFile, cwd));
}
