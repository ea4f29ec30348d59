import { filterList, jsonBodyFilter, methodName, pattern, portList, portPairs, unsupported } from './incoming-types';
import type { Section, Setting } from './schema';
import { anything, boolean, oneOf, type ValueType } from './value-types';

const OPERATOR = 'needs the operator of the native tool and has no effect here';

const setting = (type: ValueType): Setting => ({ type });

const httpFilter: Section = {
  keys: {
    header_filter: setting(pattern),
    path_filter: setting(pattern),
    method_filter: setting(methodName),
    body_filter: setting(jsonBodyFilter),
    all_of: setting(filterList),
    any_of: setting(filterList),
    ports: setting(portList),
    // Accepting it without acting on it would steal every request.
    header_filter_jq: setting(unsupported('"header_filter" instead: jq programs are not supported')),
  },
  expected: 'an object with one of "header_filter", "path_filter", "method_filter", "body_filter", "all_of", "any_of"',
  notEmpty: true,
};

/** `feature.network.incoming`. */
export const incomingSection: Section = {
  keys: {
    mode: setting(oneOf('off', 'mirror', 'steal')),
    http_filter: httpFilter,
    port_mapping: setting(portPairs),
    listen_ports: setting(portPairs),
    ignore_ports: setting(portList),
    ports: setting(portList),
    ignore_localhost: setting(boolean),
    on_concurrent_steal: setting(oneOf('abort', 'continue', 'override')),
    fallback: setting(oneOf('pod', 'none')),
    keep_probes: setting(boolean),
    on_failure: setting(oneOf('exit', 'continue')),
    tls_delivery: { type: anything, inactive: OPERATOR },
    https_delivery: { type: anything, inactive: OPERATOR },
  },
  shorthand: (value) =>
    value === false
      ? { mode: 'off' }
      : value === true
        ? { mode: 'mirror' }
        : typeof value === 'string'
          ? { mode: value }
          : undefined,
  expected: 'true, false, one of "off", "mirror", "steal", or an object',
};
