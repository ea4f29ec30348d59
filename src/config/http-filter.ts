import { MirrordError } from '../errors';
import type { Values } from './flatten';
import type { HttpFilter } from './types';

const SECTION = 'feature.network.incoming.http_filter';

const FIELDS: Record<string, keyof HttpFilter> = {
  header_filter: 'header',
  path_filter: 'path',
  method_filter: 'method',
  body_filter: 'body',
  all_of: 'allOf',
  any_of: 'anyOf',
};

/** Keys of which only one may be given. */
export const HTTP_FILTERS = Object.keys(FIELDS).map((name) => `${SECTION}.${name}`);

/**
 * The one filter that was given, as the agent takes it.
 *
 * @throws MirrordError CONFIG_INVALID_VALUE when there are two, or ports for a filter that is not there
 */
export function resolveHttpFilter(values: Values): HttpFilter | undefined {
  const [first, second] = HTTP_FILTERS.filter((key) => values.has(key));
  if (first && second) throw twoFilters(first, second, values);
  if (first) return { [FIELDS[first.slice(SECTION.length + 1)]!]: values.get(first)!.value };
  const ports = values.get(`${SECTION}.ports`);
  if (!ports) return undefined;
  throw new MirrordError(
    'CONFIG_INVALID_VALUE',
    `${SECTION}.ports is ${JSON.stringify(ports.value)} in ${ports.source}, and there is no filter for these ports.`,
    { hint: 'Give one of header_filter, path_filter, method_filter, body_filter, all_of, any_of beside it.' },
  );
}

function twoFilters(first: string, second: string, values: Values): MirrordError {
  const given = (key: string) => `${key} (${JSON.stringify(values.get(key)!.value)}, ${values.get(key)!.source})`;
  return new MirrordError('CONFIG_INVALID_VALUE', `${given(first)} and ${given(second)} exclude each other.`, {
    hint: 'Keep one of them, or put both into "all_of" (each has to match) or "any_of" (one has to).',
    details: { key: first },
  });
}
