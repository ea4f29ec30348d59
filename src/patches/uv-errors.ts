import { getSystemErrorMap } from 'node:util';

let numbers: Map<string, number> | undefined;

/** The number of a system error on this platform, negative as libuv has it: `ECONNREFUSED` → -111. Undefined if unknown. */
export function errnoOf(code: string): number | undefined {
  numbers ??= new Map(Array.from(getSystemErrorMap(), ([number, [name]]) => [name, number]));
  return numbers.get(code);
}
