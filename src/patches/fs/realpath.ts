import { posix } from 'node:path';
import { ask, type Operation } from './call';
import { failureCode, systemError } from './errors';
import type { Gate } from './gate';
import { type EncodingOptions, encodeName, parseOptions } from './options';
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

function* attempt<R>(steps: Steps<R>, syscall: string, path: string): Steps<R> {
  try {
    return yield* steps;
  } catch (error) {
    const code = failureCode(error);
    throw code === undefined ? error : systemError(code, { syscall, path });
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
