import type { WireError } from './contract';
import { readU32, u32 } from './frame';
import type { StreamReset } from './session-types';

/**
 * Codes of RESET. Numbers are for ever; names are those of Node. 0 stands for a name that is not in the table, which then
 * begins the text, so that a newer end can say more than an older one knows.
 */
const RESET_CODES = [
  '',
  'ECONNRESET',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
  'ECONNABORTED',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EINVAL',
  'ENOBUFS',
  'EMFILE',
  'ECANCELED',
  'ENETDOWN',
  'EHOSTDOWN',
  'EPROTO',
  'ENFILE',
  'ENOMEM',
  'EADDRINUSE',
  'EAFNOSUPPORT',
  'ENOENT',
  'ENOTSUP',
  'EAGAIN',
  'EIO',
  'EBADF',
  'EISDIR',
  'ENOSYS',
  'ENOTCONN',
] as const;

const NUMBERS = new Map<string, number>(RESET_CODES.map((name, number) => [name, number]));
const SAFE_CODE = /^[A-Z][A-Z0-9_]{1,63}$/;

export function encodeReset({ code, message = '' }: StreamReset): Uint8Array[] {
  const number = NUMBERS.get(code) ?? 0;
  const text = number === 0 ? `${code} ${message}` : message;
  return [u32(number), Buffer.from(text.slice(0, 1024))];
}

export function decodeReset(payload: Uint8Array): StreamReset {
  const number = payload.byteLength < 4 ? 1 : readU32(payload, 0);
  const text = new TextDecoder().decode(payload.subarray(4));
  const name = RESET_CODES[number];
  if (name) return { code: name, message: text || undefined };
  const [code = '', ...rest] = text.split(' ');
  if (!SAFE_CODE.test(code)) return { code: 'ECONNRESET', message: text || undefined };
  return { code, message: rest.join(' ') || undefined };
}

/** Fields of Node's system errors that are the same on every machine. */
const STRING_FIELDS = ['syscall', 'path', 'hostname'] as const;

/**
 * What crosses the wire of an error: the fields of a system error, or code and text of any other. Never a stack, which
 * would tell about the files of the other end.
 */
export function toWireError(error: unknown): WireError {
  const source = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as Record<
    string,
    unknown
  >;
  const wire: WireError = { code: typeof source.code === 'string' && source.code ? source.code : 'EIO' };
  if (typeof source.errno === 'number') wire.errno = source.errno;
  for (const field of STRING_FIELDS) {
    const value = source[field];
    if (typeof value === 'string') wire[field] = value;
  }
  if (wire.syscall === undefined && typeof source.message === 'string') wire.message = source.message;
  return wire;
}

/** Takes only what the type names, from whatever the other end sent. */
export function parseWireError(value: unknown): WireError {
  const source = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const wire = toWireError({ ...source, message: undefined });
  if (typeof source.message === 'string') wire.message = source.message;
  return wire;
}
