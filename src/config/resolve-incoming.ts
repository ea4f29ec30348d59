import { invalidValue, type Values } from './flatten';
import { resolveHttpFilter } from './http-filter';
import { refuseBoth } from './refuse-both';
import type { IncomingConfig } from './types';

const SECTION = 'feature.network.incoming';

/**
 * Puts together what holds between the keys of `feature.network.incoming`. `given` has the plain keys over the defaults.
 *
 * @throws MirrordError CONFIG_INVALID_VALUE
 */
export function resolveIncoming(given: IncomingConfig, values: Values): IncomingConfig {
  refuseBoth(values, `${SECTION}.ports`, `${SECTION}.ignore_ports`);
  const get = <T>(key: string) => values.get(key)?.value as T | undefined;
  return {
    ...given,
    httpFilter: resolveHttpFilter(values),
    httpFilterPorts: get<number[]>(`${SECTION}.http_filter.ports`),
    fallback: get<string>(`${SECTION}.fallback`) === 'pod' ? 'pod' : undefined,
    flush: get<boolean>('agent.flush_connections') ?? given.flush,
  };
}

/**
 * Without a target there is no pod whose traffic could come. Gives the warnings.
 *
 * @throws MirrordError CONFIG_INVALID_VALUE when traffic was to be stolen
 */
export function switchOffIncoming(incoming: IncomingConfig, values: Values): string[] {
  const mode = values.get(`${SECTION}.mode`);
  if (incoming.mode === 'steal') {
    const expected = '"off": the target is "targetless", and without a target there is no traffic to steal';
    throw invalidValue(`${SECTION}.mode`, 'steal', expected, mode?.source ?? 'the configuration');
  }
  incoming.mode = 'off';
  return mode?.value === 'mirror' ? [`${SECTION}.mode (${mode.source}) has no effect without a target.`] : [];
}
