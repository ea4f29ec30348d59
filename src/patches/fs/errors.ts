import { getSystemErrorMap } from 'node:util';

/** What a failed call is about, in the terms of Node's own error: the function of the system and the path as given. */
export interface Failing {
  syscall: string;
  path?: string;
  dest?: string;
}

interface SystemErrorText {
  errno: number;
  text: string;
}

let byCode: Map<string, SystemErrorText> | undefined;

/** Numbers differ between systems: the error carries those of the system the app runs on, as its own constants do. */
function describeCode(code: string): SystemErrorText | undefined {
  if (!byCode) {
    byCode = new Map();
    for (const [errno, [name, text]] of getSystemErrorMap()) byCode.set(name, { errno, text });
  }
  return byCode.get(code);
}

/** An error as libuv's callers in Node build it: same text, same own properties in the same order, no frames. */
export function systemError(code: string, failing: Failing, cause?: unknown): NodeJS.ErrnoException {
  const known = describeCode(code);
  let message = `${code}: ${known?.text ?? 'unknown error'}, ${failing.syscall}`;
  if (failing.path !== undefined) message += ` '${failing.path}'`;
  if (failing.dest !== undefined) message += ` -> '${failing.dest}'`;
  const error = withoutFrames(message) as NodeJS.ErrnoException & { dest?: string };
  error.errno = known?.errno ?? -1;
  error.code = code;
  error.syscall = failing.syscall;
  if (failing.path !== undefined) error.path = failing.path;
  if (failing.dest !== undefined) error.dest = failing.dest;
  if (cause !== undefined) {
    Object.defineProperty(error, 'cause', { value: cause, enumerable: false, writable: true, configurable: true });
  }
  return error;
}

function withoutFrames(message: string): Error {
  const error = new Error(message);
  // As what comes from the event loop looks in Node: there is no caller to show.
  error.stack = `Error: ${message}`;
  return error;
}

interface WireFailureLike extends Error {
  wire: { code: string; syscall?: string; message?: string };
}

/** By shape: the class lives on the other side of the import rules, and may come from another bundle. */
export function isWireFailure(error: unknown): error is WireFailureLike {
  return typeof (error as WireFailureLike | undefined)?.wire?.code === 'string';
}

const MIRRORD_ERROR = Symbol.for('mirrord.error');

/** The code of a failure that the agent or the link to it reported; undefined for anything else. */
export function failureCode(error: unknown): string | undefined {
  if (isWireFailure(error)) return error.wire.code;
  if ((error as Record<symbol, unknown> | undefined)?.[MIRRORD_ERROR]) return (error as { code: string }).code;
  return undefined;
}

/**
 * The error the app gets for a failed call to the agent. A code of the system becomes Node's own error of it; what no
 * system says (the session is over, a time limit) becomes EIO, which programs know how to treat, with the reason in
 * the message and as `cause`. Errors of this machine, such as a full disk under a temporary file, stay as they are.
 */
export function toNodeError(error: unknown, failing: Failing): unknown {
  const code = failureCode(error);
  if (code === undefined) return error;
  // The agent has a text only where the code alone would puzzle, such as for a FIFO that it does not open.
  const cause = isWireFailure(error) && error.wire.message === undefined ? undefined : error;
  if (describeCode(code)) return systemError(code, failing, cause);
  const failed = systemError('EIO', failing, error);
  failed.message = `${failed.message} (mirrord: ${code}: ${(error as Error).message})`;
  failed.stack = `Error: ${failed.message}`;
  return failed;
}

/** Gives a synchronous error the stack of the caller of `outermost`, as if Node's function had thrown it. */
export function hideFrames(error: unknown, outermost: Function): unknown {
  if (error instanceof Error) {
    try {
      Error.captureStackTrace(error, outermost);
    } catch {
      // A frozen error keeps the stack it has.
    }
  }
  return error;
}
