import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Packages whose programs start the app rather than being it, or are no part of it. Each stays dormant and passes the session
 * on through the environment. Not Next.js: `next start` is the app.
 */
const PACKAGES = new Set(
  ['npm', 'yarn', '@yarnpkg/cli', '@yarnpkg/cli-dist', 'pnpm', 'corepack'].concat(
    ['turbo', 'nx', 'lerna', '@microsoft/rush', 'concurrently', 'npm-run-all', 'npm-run-all2', 'cross-env'],
    [
      'nodemon',
      'tsx',
      'typescript',
      'esbuild',
      'eslint',
      'prettier',
      '@biomejs/biome',
      'node-gyp',
      'husky',
      'lint-staged',
    ],
  ),
);

/** What a path of one of their programs holds: its name, or the folder of the package. Everything else is not looked at. */
const WORTH_A_LOOK =
  /[\\/](?:np[mx]|yarn(?:pkg|-\d[^\\/]*)?|pnp[mx]|corepack|turbo|nx|lerna|rush|concurrently|npm-run-all2?|run-[sp]|cross-env|nodemon|tsx|tsc|tsserver|typescript|esbuild|eslint|prettier|biome|node-gyp|husky|lint-staged)(?:-cli|-shell)?(?:\.[cm]?js)?(?=[\\/]|$)/;

/** Yarn as it is kept in a project or by corepack: one file, without a package around it. */
const LONE_YARN =
  /[\\/](?:\.yarn[\\/]releases[\\/]yarn-[^\\/]+|corepack[\\/](?:v\d+[\\/])?yarn[\\/][^\\/]+[\\/]yarn)\.c?js$/;

/** Of a tool's package all the same the app: Nx runs servers and tests of the app in it. */
const RUNS_THE_APP = /[\\/]nx[\\/](?:dist[\\/])?bin[\\/]run-executor\.js$/;

/**
 * Whether the script belongs to such a package. A name alone proves nothing, as an app may have a `turbo.js`: it is the package
 * around the file that is asked for, behind the links of `.bin` folders.
 *
 * @param script `process.argv[1]`
 */
export function isTool(script: string | undefined): boolean {
  if (!script || !WORTH_A_LOOK.test(script)) return false;
  let path = script;
  try {
    path = realpathSync.native(script);
  } catch {
    // `node bin/npm-cli`: Node itself adds the extension later.
  }
  if (LONE_YARN.test(path)) return true;
  return PACKAGES.has(packageAround(path) ?? '') && !RUNS_THE_APP.test(path);
}

/** Name of the package a file is in. */
function packageAround(path: string): string | undefined {
  const folder = dirname(path);
  if (folder === path) return undefined;
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    // Some have nameless ones inside, that say which kind of modules a folder holds.
    if (typeof name === 'string') return name;
  } catch {
    // None here, or one that nobody can read.
  }
  return packageAround(folder);
}
