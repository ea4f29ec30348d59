import type { WireError } from '../../runtime/verdict';
import { errnoOf } from '../uv-errors';

/** What the other side said of a failed call; undefined when it is the link that failed. */
export function wireErrorOf(failure: unknown): WireError | undefined {
  return (failure as { wire?: WireError } | undefined)?.wire;
}

/** libuv's number of what Node reports as ENOTFOUND, in case the pod did not say it. */
const UNKNOWN_NAME = 'EAI_NONAME';

/**
 * An error of `dns.lookup` and `dns.lookupService` as Node builds it: `getaddrinfo ENOTFOUND db.shop`, with errno, code,
 * syscall and hostname. A lost link is EAI_AGAIN, "try again later", which apps know how to handle.
 */
export function createLookupError(
  failure: unknown,
  syscall: 'getaddrinfo' | 'getnameinfo',
  hostname: string,
): NodeJS.ErrnoException {
  const wire = wireErrorOf(failure);
  const code = wire?.code ?? 'EAI_AGAIN';
  const errno = wire?.errno ?? errnoOf(code === 'ENOTFOUND' ? UNKNOWN_NAME : code);
  const error = withoutStack(() => new Error(`${syscall} ${code} ${hostname}`, wire ? undefined : { cause: failure }));
  return Object.assign(error, { errno, code, syscall, hostname });
}

/** Node makes these errors below the app's code: frames of ours in their place would send readers the wrong way. */
function withoutStack<E extends Error>(create: () => E): E {
  const limit = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = 0;
    return create();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
