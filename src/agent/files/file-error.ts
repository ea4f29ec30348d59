import { constants } from 'node:os';
import { WireFailure } from '../../protocol/session-types';
import { failure } from '../failure';

/** Negative errno of a code, as Node's system errors carry it; undefined for codes the kernel does not know. */
export function errnoOf(code: string): number | undefined {
  const value = (constants.errno as Record<string, number>)[code];
  return value === undefined ? undefined : -value;
}

/** A system error for the path as the client gave it: the agent's own prefix (`/proc/PID/root`) never shows. */
export function fileError(code: string, syscall: string, path: string, message?: string): WireFailure {
  return failure({ code, errno: errnoOf(code), syscall, path, ...(message ? { message } : {}) });
}

/** What the kernel said about our path, said about the client's path and call instead. */
export function relabel(error: unknown, syscall: string, path: string): WireFailure {
  if (error instanceof WireFailure) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  // Anything without an errno is our own mistake: it must not pass for an answer of the kernel.
  if (code === undefined || errnoOf(code) === undefined) {
    return failure({ code: 'INTERNAL', message: `${syscall} failed in the agent: ${(error as Error)?.message}` });
  }
  return fileError(code, syscall, path);
}
