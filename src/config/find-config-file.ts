import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { MirrordError } from '../errors';

const NAMES = [join('.mirrord', 'mirrord.json'), 'mirrord.json'];

export interface FoundFile {
  path: string;
  /** What named it, for messages; undefined when it was discovered. */
  namedBy: string | undefined;
}

/**
 * The configuration file to read: the one that is named, or the first of `.mirrord/mirrord.json` and `mirrord.json` from
 * `cwd` upwards. The search ends at the first folder with a package.json: what lies above is another project.
 *
 * @throws MirrordError CONFIG_NOT_FOUND when a file is named and is not there
 */
export function findConfigFile(named: string | undefined, env: NodeJS.ProcessEnv, cwd: string): FoundFile | undefined {
  const given = named ?? (env.MIRRORD_CONFIG_FILE || undefined);
  if (given !== undefined) {
    const namedBy = named === undefined ? 'MIRRORD_CONFIG_FILE' : 'the configuration file option';
    return { path: requireFile(resolve(cwd, given), namedBy), namedBy };
  }
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const path = NAMES.map((name) => join(folder, name)).find(isFile);
    if (path) return { path, namedBy: undefined };
    if (existsSync(join(folder, 'package.json')) || dirname(folder) === folder) return undefined;
  }
}

function requireFile(path: string, namedBy: string): string {
  if (isFile(path)) return path;
  throw new MirrordError('CONFIG_NOT_FOUND', `There is no configuration file ${path}, which ${namedBy} names.`, {
    hint: 'Correct the path: it is taken relative to the working directory.',
    details: { path },
  });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
