/** Tools that start the app rather than being it. They pass the session on through the environment. */
const TOOLS = new Set(
  [
    'npm',
    'npx',
    'yarn',
    'yarnpkg',
    'pnpm',
    'pnpx',
    'corepack',
    'turbo',
    'nx',
    'lerna',
    'rush',
    'tsc',
    'tsserver',
  ].concat(['esbuild', 'eslint', 'prettier', 'biome', 'node-gyp', 'husky', 'lint-staged']),
);

export type DormantReason =
  /** MIRRORD_DISABLE=1, which our own worker has as well. */
  | 'disabled'
  /** A thread of Node's own, for module hooks. */
  | 'internal-thread'
  /** A thread of an app whose main thread has no session. */
  | 'thread-without-session'
  /** A package manager or build tool. */
  | 'tool'
  /** This thread has a session already. */
  | 'active';

export interface ProcessFacts {
  env: NodeJS.ProcessEnv;
  /** `process.argv[1]`. */
  script: string | undefined;
  isMainThread: boolean;
  /** Whether the thread was made by Node for itself. */
  isInternalThread: boolean;
  isActive: boolean;
}

/** Why the preload does nothing in this process or thread; undefined = it starts or joins a session. */
export function whyDormant(facts: ProcessFacts): DormantReason | undefined {
  if (isOn(facts.env.MIRRORD_DISABLE)) return 'disabled';
  if (facts.isInternalThread) return 'internal-thread';
  if (facts.isActive) return 'active';
  if (!facts.isMainThread) return facts.env.MIRRORD_SESSION ? undefined : 'thread-without-session';
  return isTool(facts.script) ? 'tool' : undefined;
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false'].includes(value.toLowerCase());
}

/** By the name of the script: `npm-cli.js`, `.bin/tsc`, `yarn-4.5.0.cjs`. */
function isTool(script: string | undefined): boolean {
  if (!script) return false;
  const file = script.slice(Math.max(script.lastIndexOf('/'), script.lastIndexOf('\\')) + 1);
  const name = file
    .replace(/\.[cm]?js$/, '')
    .replace(/-cli$/, '')
    .replace(/-\d[\w.]*$/, '');
  return TOOLS.has(name);
}
