import type { ChildAccess } from '../runtime/verdict';

type Environment = Record<string, string | undefined>;

/** Variables that `inherit` sets. On Windows names have no case, so a `Node_Options` of the app is the same variable. */
const OURS = ['NODE_OPTIONS', 'MIRRORD_SESSION'];

/** An environment an app has put together, with what a child needs to join the session. */
export function inheritInto(
  children: ChildAccess,
  env: Environment,
  platform: NodeJS.Platform = process.platform,
): Record<string, string> {
  if (platform !== 'win32') return children.inherit(env);
  const renamed: Environment = {};
  for (const [name, value] of Object.entries(env)) {
    const canonical = OURS.find((ours) => ours === name.toUpperCase());
    // Of several spellings Windows takes the first; so does Node.
    if (canonical && canonical in renamed) continue;
    renamed[canonical ?? name] = value;
  }
  return children.inherit(renamed);
}

/** `['A=1', 'B=2']`, as Node hands an environment to libuv. */
export function inheritIntoPairs(
  children: ChildAccess,
  pairs: readonly string[],
  platform?: NodeJS.Platform,
): string[] {
  const env: Environment = {};
  for (const pair of pairs) {
    // Windows keeps variables like `=C:`: the first character never ends the name.
    const equals = pair.indexOf('=', 1);
    if (equals !== -1) env[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return Object.entries(inheritInto(children, env, platform)).map(([name, value]) => `${name}=${value}`);
}

/** Copies as Node does: inherited properties count, values become text, undefined ones are left out. */
export function copyEnvironment(env: object): Environment {
  const copy: Environment = {};
  for (const name in env) {
    const value = (env as Record<string, unknown>)[name];
    if (value !== undefined) copy[name] = `${value}`;
  }
  return copy;
}
