import type { WireFailure } from '../../protocol/session-types';
import { failure } from '../failure';

/** The fields that Node's own DNS errors carry, and no others. */
export function dnsFailure(error: unknown): WireFailure {
  const { code, errno, syscall, hostname, message } = error as NodeJS.ErrnoException & { hostname?: string };
  if (code === undefined || syscall === undefined) {
    return failure({ code: code ?? 'INTERNAL', message: message ?? String(error) });
  }
  return failure({
    code,
    syscall,
    ...(typeof errno === 'number' ? { errno } : {}),
    ...(hostname === undefined ? {} : { hostname }),
  });
}
