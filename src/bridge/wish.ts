import { delimiter } from 'node:path';
import type { Values } from '../config/flatten';
import { MirrordError } from '../errors';
import { kubeconfigPaths } from '../kube/kubeconfig';

/** Systems limit a variable (Windows to 32,767 characters), and this one shares its value with an address. */
const MAX_WISH = 16_384;

/** They may hold passwords, and whoever gets the wish has inherited the variables themselves. */
const SECRET = new Set(['feature.env.override', 'feature.env.mapping']);

/**
 * What a session was asked for, whoever said so (options, variables, a file), for programs that are started when its owner has
 * ended: they may have another working directory and none of the variables. Free of secrets.
 *
 * @returns base64url; undefined when it is too long to travel in a variable
 */
export function packWish(values: Values, env: NodeJS.ProcessEnv): string | undefined {
  const wish: Record<string, unknown> = {};
  for (const [key, { value }] of values) if (!SECRET.has(key)) wish[key] = value;
  const kubeconfig = absoluteKubeconfig((wish.kubeconfig as string | undefined) ?? (env.KUBECONFIG || undefined), env);
  if (kubeconfig !== undefined) wish.kubeconfig = kubeconfig;
  const packed = Buffer.from(JSON.stringify(wish)).toString('base64url');
  return packed.length > MAX_WISH ? undefined : packed;
}

/** Throws SESSION_INVALID. */
export function unpackWish(packed: string): Values {
  try {
    const wish = JSON.parse(Buffer.from(packed, 'base64url').toString()) as Record<string, unknown>;
    const source = 'the session of the parent process';
    return new Map(Object.entries(wish).map(([key, value]) => [key, { value, source }]));
  } catch (cause) {
    throw new MirrordError('SESSION_INVALID', 'MIRRORD_SESSION does not say what session is wanted', {
      hint: 'It is set by the process that owns the session. Unset it to start a session of your own.',
      cause,
    });
  }
}

/** For processes with other working directories. */
export function absoluteKubeconfig(list: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  return list === undefined ? undefined : kubeconfigPaths(list, env).join(delimiter);
}
