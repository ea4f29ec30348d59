import { VERSION } from '../version';
import { badParameters, failure } from './failure';

/** Each throws BAD_PARAMETERS that names the parameter and shows what came. */
export function text(name: string, value: unknown): void {
  if (typeof value !== 'string') throw badParameters(`${name} must be a string, got ${show(value)}`);
}

export function texts(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw badParameters(`${name} must be a list of strings, got ${show(value)}`);
  for (const [index, entry] of value.entries()) text(`${name}[${index}]`, entry);
}

export function wholeNumber(name: string, value: unknown, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return;
  throw badParameters(`${name} must be a whole number from 0 to ${max}, got ${show(value)}`);
}

export function oneOf(name: string, value: unknown, choices: readonly (string | number)[]): void {
  if (choices.includes(value as string)) return;
  throw badParameters(`${name} must be one of ${choices.join(', ')}, got ${show(value)}`);
}

export function unknownMethod(method: string): Error {
  return failure({
    code: 'UNKNOWN_METHOD',
    message: `agent ${VERSION} has no method "${method.slice(0, 100)}"; use an agent image of the client's version`,
  });
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return typeof value === 'number' ? String(value) : typeof value;
}
