/**
 * Errors of this project: one class, a stable `code`, and a hint that says what to do next.
 *
 * The brand is a registered symbol, so that an error made by one bundle is recognised by another one (and in another
 * realm, as in Jest), where `instanceof` would answer false.
 */
const BRAND = Symbol.for('mirrord.error');

export interface MirrordErrorOptions {
  /** What to do next: one or more full sentences, or lines of YAML that can be applied. */
  hint?: string;
  /** What caused it, if that was an error too. */
  cause?: unknown;
  /** Further facts for programs, such as the HTTP status. Never values of environment variables or file contents. */
  details?: Record<string, unknown>;
}

export class MirrordError extends Error {
  /** Stable, UPPER_SNAKE. Every code is listed in docs/errors.md. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: string, message: string, options: MirrordErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MirrordError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

export function isMirrordError(value: unknown): value is MirrordError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

/** The plain form in which an error crosses threads and processes. */
export interface SerializedError {
  code: string;
  message: string;
  hint?: string;
  details?: Record<string, unknown>;
}

export function serializeError(error: unknown): SerializedError {
  if (isMirrordError(error)) {
    return { code: error.code, message: error.message, hint: error.hint, details: error.details };
  }
  const { message, code, stack } = (error ?? {}) as { message?: string; code?: string; stack?: string };
  return { code: 'INTERNAL', message: message ?? String(error), details: { originalCode: code, stack } };
}

export function deserializeError(data: SerializedError): MirrordError {
  return new MirrordError(data.code, data.message, { hint: data.hint, details: data.details });
}

/** The message as people read it: code, cause, next step. */
export function formatError(error: unknown): string {
  const { code, message, hint } = serializeError(error);
  return `mirrord: ${code}: ${message}${hint ? `\n\n${hint}` : ''}`;
}

/**
 * The entry of `candidates` that `word` was most likely meant to be, or undefined when none is near: at most a third of the
 * letters differ (one is always allowed), counted as insertions, deletions, replacements and swaps of neighbours.
 */
export function nearestWord(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // Long lists of long names come from clusters: those that cannot be near need no table.
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const nearest = Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1);
      row.push(swapped ? Math.min(nearest, beforePrevious[j - 2]! + 1) : nearest);
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length]!;
}
