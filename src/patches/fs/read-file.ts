import { dirname } from 'node:path';
import type { WireStat } from '../../runtime/verdict';
import { type Answer, ask, type Call, type Operation } from './call';
import { failureCode, isWireFailure, systemError } from './errors';
import { type EncodingOptions, intentOfFlags, parseOptions, wireFlags } from './options';
import { realFs, realPromises } from './originals';
import { type Steps, take } from './steps';

interface ReadFileOptions extends EncodingOptions {
  flag: unknown;
  signal: AbortSignal | undefined;
}

function flagOf(options: unknown): unknown {
  return typeof options === 'object' && options !== null ? (options as { flag?: unknown }).flag : undefined;
}

/** A buffer of the app's own: not a window into memory that somebody else holds. */
export function ownBuffer(raw: Uint8Array): Buffer {
  const { buffer } = raw;
  if (buffer instanceof ArrayBuffer && raw.byteLength === buffer.byteLength) return Buffer.from(buffer);
  const own = Buffer.allocUnsafeSlow(raw.byteLength);
  own.set(raw);
  return own;
}

/** One round trip for open, stat, read and close. Ends early when the signal does; the answer is dropped then. */
function* readAll({ gate, target, form }: Call, flag: unknown, signal?: AbortSignal): Steps<Answer<'fs.readFile'>> {
  const flags = wireFlags(flag);
  const params = flags === 0 ? { path: target.ask } : { path: target.ask, flags };
  if (!signal || form === 'sync') return yield* ask(gate, 'fs.readFile', params);
  return yield* take<Answer<'fs.readFile'>>({
    sync: () => gate.files.callSync('fs.readFile', params),
    async: () => {
      let stop = () => {};
      const early = new Promise<never>((_, reject) => {
        // With a signal that is aborted Node touches no file, and fails with the error that belongs to it.
        stop = () => realPromises.readFile(process.execPath, { signal }).catch(reject);
        signal.addEventListener('abort', stop, { once: true });
      });
      const answer = gate.files.call('fs.readFile', params);
      return Promise.race([answer, early]).finally(() => signal.removeEventListener('abort', stop));
    },
  });
}

/** Whether this version's error of a read that failed has the path of the file in it. */
async function readErrorHasPath(): Promise<boolean> {
  const error = await realPromises.readFile(dirname(process.execPath)).catch((failed: NodeJS.ErrnoException) => failed);
  return (error as NodeJS.ErrnoException).syscall === 'read' && 'path' in error;
}

/** `open` has worked where `read` fails: a folder, some files of /proc. */
function* failReading(error: unknown, { gate, target }: Call): Steps<never> {
  const code = failureCode(error);
  if (code === 'EFBIG' || code === 'ERR_FS_FILE_TOO_LARGE') {
    const { result } = yield* ask(gate, 'fs.stat', { path: target.ask });
    const large = new RangeError(`File size (${(result.stat as WireStat).size}) is greater than 2 GiB`);
    throw Object.assign(large, { code: 'ERR_FS_FILE_TOO_LARGE' });
  }
  if (code === 'EISDIR' || (isWireFailure(error) && error.wire.syscall === 'read')) {
    const named = yield* take<boolean>({ sync: () => false, async: readErrorHasPath });
    throw systemError(code!, named ? { syscall: 'read', path: target.given } : { syscall: 'read' });
  }
  throw error;
}

export const readFile: Operation<ReadFileOptions> = {
  method: 'readFile',
  syscall: 'open',
  maxArguments: 1,
  intent: (options) => intentOfFlags(flagOf(options)),
  parse([value], form) {
    const options = parseOptions(value);
    if (!options) return undefined;
    const { flag, signal } = options.object;
    if (signal !== undefined && typeof (signal as AbortSignal | null)?.addEventListener !== 'function')
      return undefined;
    // Aborted already: Node fails before it touches the file. Its blocking form knows no signal.
    if (form !== 'sync' && (signal as AbortSignal | undefined)?.aborted) return undefined;
    return { ...options, flag, signal: signal as AbortSignal | undefined };
  },
  *run(call, { encoding, flag, signal }) {
    const { raw } = yield* readAll(call, flag, signal);
    if (encoding === undefined) return ownBuffer(raw);
    return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString(encoding as BufferEncoding);
  },
  fail: failReading,
};

/** A Blob of the bytes as they are now: what Node makes reads the file when it is used. */
export const openAsBlob: Operation<{ type: string }> = {
  method: 'openAsBlob',
  syscall: 'open',
  maxArguments: 1,
  parse([options]) {
    const { type = '' } = (options ?? {}) as { type?: unknown };
    return typeof options === 'function' || typeof type !== 'string' ? undefined : { type };
  },
  *run(call, { type }) {
    const { raw } = yield* readAll(call, undefined);
    return new Blob([ownBuffer(raw)], { type });
  },
  *fail(error, { gate, target }) {
    const code = failureCode(error);
    if (code === undefined || code === 'LINK_LOST') throw error;
    gate.log('fs', `openAsBlob ${target.given}: ${code}`);
    return yield* take<unknown>({ sync: () => undefined, async: () => failOpeningBlob(code, target.given) });
  },
};

/** Some versions say only that the file cannot be opened as a Blob, others give the system's error. */
async function failOpeningBlob(code: string, path: string): Promise<never> {
  const missing = `${process.execPath}.mirrord-${process.pid}`;
  const { openAsBlob } = realFs as { openAsBlob(path: string): Promise<unknown> };
  try {
    await openAsBlob(missing);
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException;
    throw syscall ? systemError(code, { syscall, path }) : error;
  }
  throw systemError(code, { syscall: 'open', path });
}
