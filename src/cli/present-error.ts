import { formatError, isMirrordError } from '../errors';

/** One message on stderr: code, cause, next step. A stack only for what is a defect of ours, or when asked for. */
export function presentError(error: unknown): void {
  process.stderr.write(`${formatError(error)}\n`);
  const stack = error instanceof Error ? error.stack : undefined;
  if (stack && (!isMirrordError(error) || process.env.DEBUG?.includes('mirrord'))) process.stderr.write(`${stack}\n`);
}
