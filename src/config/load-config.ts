import { MirrordError } from '../errors';
import { readEnvironment } from './environment';
import { findConfigFile } from './find-config-file';
import { flatten, type GivenValue, type Layer, type Values } from './flatten';
import { HTTP_FILTERS } from './http-filter';
import { readConfigFile } from './read-config-file';
import { resolveConfig } from './resolve-config';
import { rootSection } from './schema';
import { missingTarget } from './target';
import { kindOfKey } from './target-kinds';
import type { ConfigOverrides, ResolvedConfig } from './types';

export interface LoadedConfig {
  config: ResolvedConfig;
  /** Full sentences about keys that have no effect or look misspelt. */
  warnings: string[];
  /** What was given, of all layers. May hold secrets. */
  values: Values;
}

/**
 * Reads, merges and checks the configuration: options of the caller, then environment variables, then the file (the named
 * one, or the one found from `cwd` upwards), then defaults.
 *
 * @param overrides keys of the file, in snake or camel case, and `namespace`, `context`, `configFile`
 * @throws MirrordError CONFIG_* and TARGET_* with what was wrong, where, and what to do
 */
export function loadConfig(overrides: ConfigOverrides, env: NodeJS.ProcessEnv, cwd: string): LoadedConfig {
  const { configFile, ...options } = overrides;
  const file = findConfigFile(configFile, env, cwd);
  const layers = [
    ...(file ? [flatten(rootSection, liftTarget(readConfigFile(file.path)), { source: file.path })] : []),
    readEnvironment(env),
    flatten(rootSection, liftTarget(renameShortcuts(options)), { source: 'the options', camelCase: true }),
  ];
  const values = merge(layers);
  if (!values.has('target.path')) {
    throw missingTarget(file ? `read: ${file.path}` : `no configuration file was found from ${cwd} upwards`);
  }
  const { config, warnings } = resolveConfig(values, env);
  return { config, warnings: [...layers.flatMap((layer) => layer.warnings), ...warnings], values };
}

/** The configuration from what another process was given, which has been checked, and warned of, there. */
export function reloadConfig(values: Values, env: NodeJS.ProcessEnv): LoadedConfig {
  return { config: resolveConfig(values, env).config, warnings: [], values };
}

function merge(layers: Layer[]): Map<string, GivenValue> {
  const merged = new Map<string, GivenValue>();
  for (const { values } of layers) {
    for (const key of values.keys()) dropAlternative(merged, key);
    for (const [key, value] of values) merged.set(key, value);
  }
  return merged;
}

/** Two keys that exclude each other: naming one in a higher layer takes back the other in a lower one. */
function dropAlternative(merged: Map<string, GivenValue>, key: string): void {
  const alternatives: Record<string, string> = {
    remote: 'local',
    local: 'remote',
    include: 'exclude',
    exclude: 'include',
    ports: 'ignore_ports',
    ignore_ports: 'ports',
  };
  const [, parent, last] = /^(.*\.(?:filter|env|incoming))\.(\w+)$/.exec(key) ?? [];
  if (last && alternatives[last]) merged.delete(`${parent}.${alternatives[last]}`);
  if (HTTP_FILTERS.includes(key)) for (const other of HTTP_FILTERS) merged.delete(other);
}

/** `{ namespace, context }` are how command lines and APIs say it; the file has other keys for them. */
function renameShortcuts({ namespace, context, target, ...rest }: ConfigOverrides): Record<string, unknown> {
  const both = typeof target === 'string' ? { path: target } : target;
  return {
    ...rest,
    ...(context === undefined ? {} : { kube_context: context }),
    ...(both || namespace !== undefined
      ? { target: { ...both, ...(namespace === undefined ? {} : { namespace }) } }
      : {}),
  };
}

/** Accepts `"target": { "deployment": "web" }`, the object form without `path`. */
function liftTarget(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new MirrordError('CONFIG_INVALID_VALUE', 'The configuration must be an object.', {
      hint: 'Begin the file with "{", as in { "target": "deployment/NAME" }.',
    });
  }
  const { target } = given as { target?: unknown };
  if (typeof target !== 'object' || target === null || Array.isArray(target)) return given;
  const { namespace, path, replicas, ...kind } = target as Record<string, unknown>;
  if (path !== undefined || !Object.keys(kind).some(kindOfKey)) return given;
  return { ...given, target: { namespace, replicas, path: kind } };
}
