import { randomInt } from 'node:crypto';

// The alphabet of generated names: no vowels and no look-alikes, so that no words come out.
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const MAX_BASE = 58;

/** `web-7d4f-` becomes `web-7d4f-x5k2q`; a long base is cut so that the name keeps to 63 characters. */
export function generateName(base: string): string {
  return base.slice(0, MAX_BASE) + randomSuffix(5);
}

export function randomSuffix(length: number): string {
  let suffix = '';
  for (let i = 0; i < length; i++) suffix += ALPHABET[randomInt(ALPHABET.length)];
  return suffix;
}

/** The same alphabet for a hash, as `pod-template-hash` has it. */
export function encodeSafe(text: string): string {
  return [...text].map((char) => ALPHABET[char.charCodeAt(0) % ALPHABET.length]).join('');
}
