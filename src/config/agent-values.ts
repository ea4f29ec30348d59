import { isIP } from 'node:net';
import { integer, isPlainObject, string, stringList, type ValueType } from './value-types';

const KNOWN_CAPABILITIES = ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN'];

/** Of the capabilities the agent asks for; `CAP_` before a name is dropped, as people write both. */
export const capabilities: ValueType<string[]> = {
  ...stringList,
  expected: `a list of ${KNOWN_CAPABILITIES.map((name) => `"${name}"`).join(', ')}`,
  parse: (value) => {
    const names = stringList.parse(value)?.map((name) => name.toUpperCase().replace(/^CAP_/, ''));
    return names?.every((name) => KNOWN_CAPABILITIES.includes(name)) ? [...new Set(names)] : undefined;
  },
};

const PROFILES = { app_armor_profile: 'appArmorProfile', seccomp_profile: 'seccompProfile' } as const;
const PROFILE_TYPES = ['RuntimeDefault', 'Unconfined', 'Localhost'];

/** `{app_armor_profile, seccomp_profile}` of `{type, localhost_profile}`; in its normal form named as Kubernetes does. */
export const securityProfiles: ValueType<Record<string, unknown>> = {
  expected:
    'an object with "app_armor_profile" and "seccomp_profile", each of "type" (RuntimeDefault, Unconfined, Localhost) and "localhost_profile"',
  parse: (value) => {
    if (!isPlainObject(value)) return undefined;
    const parsed: Record<string, unknown> = {};
    for (const [key, profile] of Object.entries(value)) {
      const name = Object.hasOwn(PROFILES, key) ? PROFILES[key as keyof typeof PROFILES] : undefined;
      const normal = parseProfile(profile);
      if (!name || !normal) return undefined;
      parsed[name] = normal;
    }
    return parsed;
  },
};

function parseProfile(value: unknown): Record<string, string> | undefined {
  if (!isPlainObject(value) || !PROFILE_TYPES.includes(String(value.type))) return undefined;
  const file = string.parse(value.localhost_profile);
  if ((value.type === 'Localhost') !== (file !== undefined)) return undefined;
  return { type: String(value.type), ...(file && { localhostProfile: file }) };
}

/** `{timeout, attempts}`, each optional. */
export const resolverLimits: ValueType<{ timeout?: number; attempts?: number }> = {
  // The limits are those of resolv.conf: beyond them the C library takes its own.
  expected: 'an object with "timeout" (1 to 30 seconds) and "attempts" (1 to 5)',
  parse: (value) => {
    if (!isPlainObject(value)) return undefined;
    const timeout = integer(1, 30).parse(value.timeout);
    const attempts = integer(1, 5).parse(value.attempts);
    const given = Object.keys(value);
    if (given.some((key) => !['timeout', 'attempts'].includes(key))) return undefined;
    if (('timeout' in value && timeout === undefined) || ('attempts' in value && attempts === undefined))
      return undefined;
    return { ...(timeout && { timeout }), ...(attempts && { attempts }) };
  },
};

export const socketAddress: ValueType<string> = {
  expected: 'an IP address and a port, such as "0.0.0.0:9000" or "[::]:9000"',
  parse: (value) => {
    const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(String(value)) ?? [];
    return isIP(bracketed ?? plain ?? '') !== 0 && Number(port) <= 65_535 ? String(value) : undefined;
  },
};

/** Seconds, also such as 0.5. */
export function secondsBetween(min: number, max: number): ValueType<number> {
  return {
    expected: `a number of seconds from ${min} to ${max}`,
    parse: (value) => (typeof value === 'number' && value >= min && value <= max ? value : undefined),
    fromText: (text) => (/^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text),
  };
}
