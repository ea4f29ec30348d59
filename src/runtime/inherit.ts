import type { ChildAccess } from './verdict';

/** Ways in which people write the preload themselves; ours, with an absolute path, takes their place. */
const BY_NAME = /(?:^|\s)(?:-r|--require|--import)(?:=|\s+)(["']?)mirrord\/register\1(?=\s|$)/g;

/**
 * NODE_OPTIONS with exactly one preload of ours, in the form that survives being rewritten by frameworks: one word,
 * `--require=`, absolute, quoted. Within the quotes Node takes a backslash for an escape.
 */
export function withPreload(nodeOptions: string | undefined, registerPath: string): string {
  const others = (nodeOptions ?? '').replace(BY_NAME, '').trim();
  const quoted = `--require="${registerPath.replace(/[\\"]/g, '\\$&')}"`;
  const bare = `--require=${registerPath}`;
  if (hasWord(others, quoted) || hasWord(others, bare)) return others;
  return others === '' ? quoted : `${others} ${quoted}`;
}

function hasWord(text: string, word: string): boolean {
  return ` ${text} `.includes(` ${word} `);
}

/** What makes a child process join: the preload and the address of the session. */
export function createChildAccess(session: string, registerPath: string): ChildAccess {
  return {
    inherit(env) {
      const inherited: Record<string, string> = {};
      for (const [name, value] of Object.entries(env)) if (value !== undefined) inherited[name] = value;
      inherited.NODE_OPTIONS = withPreload(env.NODE_OPTIONS, registerPath);
      inherited.MIRRORD_SESSION = session;
      return inherited;
    },
  };
}

/** Only these: assigning a variable its own value is not free of effects, `TZ` resets the clock. */
export function inheritedVariables(env: Record<string, string>): Record<string, string> {
  return { NODE_OPTIONS: env.NODE_OPTIONS!, MIRRORD_SESSION: env.MIRRORD_SESSION! };
}
