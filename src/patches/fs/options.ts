import type { FileIntent } from '../../runtime/verdict';
import { constants } from './originals';

export interface EncodingOptions {
  encoding: BufferEncoding | 'buffer' | undefined;
  object: Record<string, unknown>;
}

/**
 * Options as most functions take them: nothing, the name of an encoding, or an object. Undefined for what Node refuses.
 */
export function parseOptions(value: unknown): EncodingOptions | undefined {
  if (value === undefined || value === null) return { encoding: undefined, object: {} };
  const object = typeof value === 'string' ? { encoding: value } : value;
  if (typeof object !== 'object') return undefined;
  const encoding = (object as { encoding?: unknown }).encoding;
  if (encoding !== undefined && encoding !== null && encoding !== 'buffer') {
    if (typeof encoding !== 'string' || (encoding !== '' && !Buffer.isEncoding(encoding))) return undefined;
  }
  return {
    encoding: (encoding || undefined) as EncodingOptions['encoding'],
    object: object as Record<string, unknown>,
  };
}

/** A name that came as text, in the encoding the app wants its names in. */
export function encodeName(name: string, encoding: EncodingOptions['encoding']): string | Buffer {
  if (encoding === undefined || encoding === 'utf8' || encoding === 'utf-8') return name;
  const bytes = Buffer.from(name);
  return encoding === 'buffer' ? bytes : bytes.toString(encoding);
}

const WRITING = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND;
const READ_FLAGS = new Set(['r', 'rs', 'sr']);

/** Unknown flags count as writing, which leaves them to Node and its own check. */
export function intentOfFlags(flags: unknown): FileIntent {
  if (flags === undefined || flags === null || typeof flags === 'function') return 'read';
  if (typeof flags === 'number') return (flags & WRITING) === 0 ? 'read' : 'write';
  return READ_FLAGS.has(flags as string) ? 'read' : 'write';
}

/** Numbers of Linux on the wire: those of macOS mean something else there. */
const LINUX_FLAGS: readonly (readonly [number | undefined, number])[] = [
  [constants.O_DIRECTORY, 0o200000],
  [constants.O_NOFOLLOW, 0o400000],
];

/** The flags of an open for reading that change what the agent's open would say. */
export function wireFlags(flags: unknown): number {
  if (typeof flags !== 'number') return 0;
  return LINUX_FLAGS.reduce((sum, [own, linux]) => (own && (flags & own) !== 0 ? sum | linux : sum), 0);
}
