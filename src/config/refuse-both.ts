import { MirrordError } from '../errors';
import type { Values } from './flatten';

/** @throws MirrordError CONFIG_INVALID_VALUE when both keys were given */
export function refuseBoth(values: Values, one: string, other: string): void {
  const given = values.get(one);
  if (!given || !values.has(other)) return;
  throw new MirrordError('CONFIG_INVALID_VALUE', `${one} and ${other} are both given (${given.source}).`, {
    hint: 'They exclude each other: keep one of them.',
    details: { key: one },
  });
}
