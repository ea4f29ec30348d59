import type { ChildAccess } from '../../../src/runtime/verdict';

/** What the harness tells the preload, by one environment variable. */
export interface Settings {
  preload: string;
  worker: string;
  /** Port of the DNS server that the pod uses. */
  dnsPort: number;
  /** File that gets a line with what went through the pod, at exit. */
  counts?: string;
  families?: { ipv4: boolean; ipv6: boolean };
}

const VARIABLE = 'COMPLIANCE_SETTINGS';

export const settingsOf = (env: NodeJS.ProcessEnv) => JSON.parse(env[VARIABLE]!) as Settings;

export const settingsEnv = (settings: Settings) => ({ [VARIABLE]: JSON.stringify(settings) });

/** Children load the preload as well, by NODE_OPTIONS, once. */
export function createChildAccess(settings: Settings): ChildAccess {
  const option = `--require=${settings.preload}`;
  return {
    inherit(env) {
      const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
      const given = env.NODE_OPTIONS ?? '';
      const NODE_OPTIONS = given.includes(option) ? given : `${option} ${given}`.trim();
      return { ...Object.fromEntries(defined), ...settingsEnv(settings), NODE_OPTIONS };
    },
  };
}
