/**
 * What differs between Node versions, each with where it is documented. The only place that compares versions; everything
 * else asks by name, so that a fact is corrected in one line.
 */

type Version = readonly [major: number, minor: number];

interface Feature {
  /** The first minor of each release line that has it; later lines have it too. Ascending. */
  since: readonly Version[];
  link: string;
}

export const FEATURE_TABLE = {
  /** `require()` of an ES module without a flag: what makes 20.19 the floor. */
  requireEsm: {
    since: [
      [20, 19],
      [22, 12],
    ],
    link: 'https://nodejs.org/api/modules.html#loading-ecmascript-modules-using-require',
  },
  /** `module.enableCompileCache()`. */
  compileCache: { since: [[22, 8]], link: 'https://nodejs.org/api/module.html#moduleenablecompilecachecachedir' },
  /** `module.registerHooks()`: loader hooks in the app's own thread. */
  registerHooks: {
    since: [
      [22, 15],
      [23, 5],
    ],
    link: 'https://nodejs.org/api/module.html#moduleregisterhooksoptions',
  },
  /** Loader hooks of `module.register()` run in a thread of their own, which sees every preload as well. */
  loaderThreads: {
    since: [[20, 6]],
    link: 'https://nodejs.org/api/module.html#moduleregisterspecifier-parenturl-options',
  },
} as const satisfies Record<string, Feature>;

export type FeatureName = keyof typeof FEATURE_TABLE;

/** Lowest version that is supported, as `engines` in package.json says. */
export const MINIMUM_NODE: Version = [20, 19];

/** `20.19.1` → [20, 19]. Undefined for what is no version. */
export function parseVersion(version: string): Version | undefined {
  const match = /^v?(\d+)\.(\d+)\./.exec(version);
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

/** A release line older than the first one listed lacks the feature; a line between two listed ones needs the next minor. */
export function hasFeature(name: FeatureName, version: string = process.versions.node): boolean {
  const current = parseVersion(version);
  if (!current) return false;
  const since: readonly Version[] = FEATURE_TABLE[name].since;
  const own = since.find(([major]) => major === current[0]);
  if (own) return current[1] >= own[1];
  return current[0] > since.at(-1)![0];
}

export function isSupportedNode(version: string = process.versions.node): boolean {
  const current = parseVersion(version);
  if (!current) return false;
  return current[0] > MINIMUM_NODE[0] || (current[0] === MINIMUM_NODE[0] && current[1] >= MINIMUM_NODE[1]);
}
