import { posix } from 'node:path';
import { ask, attempt, type Operation } from './call';
import { failureCode } from './errors';
import type { Gate } from './gate';
import { type EncodingOptions, encodeName, parseOptions } from './options';
import { realFs } from './originals';
import type { Steps } from './steps';

/** More links than any kernel follows. */
const MAX_LINKS = 256;

/** Fails as the JavaScript of `fs.realpath` does, which looks at one component after the other and names that one. */
function* failAtComponent(gate: Gate, path: string): Steps<void> {
  const pending = path.split('/').filter(Boolean);
  let known = '/';
  let links = 0;
  while (pending.length > 0) {
    const base = posix.join(known, pending.shift()!);
    const remote = gate.files.remotePath(base);
    const { result } = yield* attempt(ask(gate, 'fs.lstat', { path: remote }), 'lstat', base);
    known = base;
    if ((Number(result.stat.mode) & 0o170000) !== 0o120000) continue;
    yield* attempt(ask(gate, 'fs.stat', { path: remote }), 'stat', base);
    if (++links > MAX_LINKS) return;
    const link = yield* attempt(ask(gate, 'fs.readlink', { path: remote }), 'readlink', base);
    pending.unshift(...posix.resolve(posix.dirname(base), link.result.target).split('/').filter(Boolean));
    known = '/';
  }
}

const parse = ([value]: unknown[]) => parseOptions(value);

/** `fs.realpath.native` and `promises.realpath`: libuv's. */
export const realpathNative: Operation<EncodingOptions> = {
  method: 'realpath',
  syscall: 'realpath',
  maxArguments: 1,
  parse,
  *run({ gate, target }, { encoding }) {
    const { result } = yield* ask(gate, 'fs.realpath', { path: target.ask });
    return encodeName(result.path, encoding);
  },
};

/** `fs.realpath` and `fs.realpathSync`: JavaScript in Node. One round trip here, more only to tell what is wrong. */
export const realpath: Operation<EncodingOptions> = {
  ...realpathNative,
  *run({ gate, target }, { encoding }) {
    const { result } = yield* ask(gate, 'fs.realpath', { path: gate.files.remotePath(target.normal) });
    return encodeName(result.path, encoding);
  },
  *fail(error, { gate, target }) {
    if (failureCode(error) !== undefined) yield* failAtComponent(gate, target.normal);
    throw error;
  },
};

type AnyFunction = (this: any, ...args: any[]) => any;

/**
 * `fs.realpath` of a path that stays here. Node's JavaScript would ask the patched `lstat` for every folder above it, and
 * some of those are the pod's. libuv gives the same answer in one call; only its errors are others, and on Windows what
 * it makes of mapped drives.
 */
export function keepRealpathHere(gate: Gate, original: AnyFunction): AnyFunction {
  return function realpath(this: unknown, ...args: unknown[]): unknown {
    const last = typeof args[1] === 'function' ? 1 : 2;
    const callback = args[last];
    if (typeof callback !== 'function') return Reflect.apply(original, this, args);
    const own = gate.outside(callback as AnyFunction);
    const inJavaScript = () =>
      gate.runNativeAsync((done) => {
        const finish = (...results: unknown[]) => {
          done();
          own(...results);
        };
        return Reflect.apply(original, this, [...args.slice(0, last), finish]);
      });
    if (process.platform === 'win32' || typeof args[0] !== 'string') return inJavaScript();
    const options = last === 1 ? undefined : (args[1] as BufferEncoding | undefined);
    return realFs.realpath.native(args[0], options, (error, path) => {
      if (error) inJavaScript();
      else (callback as AnyFunction)(null, path);
    });
  };
}
