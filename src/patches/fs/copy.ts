import { basename, join, posix } from 'node:path';
import { ask, attempt, type Call, type Operation } from './call';
import { systemError } from './errors';
import { realFs, realPromises } from './originals';
import { pathText } from './paths';
import { fetchFile, makePrivateFolder, type Snapshot, takeSnapshot } from './snapshot';
import { type Steps, take } from './steps';
import { checkWriteOf } from './writes';

/** Node's errors name the copy: the app knows the path it gave. */
function renameInError(error: unknown, from: string, to: string): unknown {
  if (!(error instanceof Error)) return error;
  // A SystemError keeps its facts in `info`, and `path` only shows them: the order matters.
  const { info } = error as { info?: object };
  for (const record of [info, error] as (Record<string, unknown> | undefined)[]) {
    if (!record) continue;
    for (const key of ['message', 'stack', 'path', 'dest']) {
      const value = record[key];
      if (typeof value === 'string' && value.includes(from)) record[key] = value.replaceAll(from, to);
    }
  }
  return error;
}

/** The arguments after the source, with a mapped destination in them. */
function destChecked(method: string, { gate, target, rest }: Call): unknown[] {
  const args = [target.given, ...rest];
  checkWriteOf(gate, method, args);
  return args.slice(1);
}

function* copyFileFrom(snapshot: Snapshot, { target, rest }: Call): Steps<undefined> {
  const [dest, mode] = rest as [string, number | undefined];
  // A copy has the source's mode; the snapshot's own is for this user only.
  realFs.chmodSync(snapshot.path, (Number(snapshot.stat.mode) & 0o777) | 0o400);
  try {
    yield* take<void>({
      sync: () => realFs.copyFileSync(snapshot.path, dest, mode),
      async: () => realPromises.copyFile(snapshot.path, dest, mode),
    });
  } catch (error) {
    throw renameInError(error, snapshot.path, target.given);
  }
  return undefined;
}

/** A file of the pod to a path of the client. */
export const copyFile: Operation<object> = {
  method: 'copyFile',
  syscall: 'copyfile',
  maxArguments: 2,
  parse([dest, mode]) {
    const valid = mode === undefined || mode === null || Number.isInteger(mode);
    return valid && pathText(dest) ? {} : undefined;
  },
  failing: ({ target, rest }) => ({ syscall: 'copyfile', path: target.given, dest: pathText(rest[0]) }),
  *run(call) {
    call.rest = destChecked('copyFile', call);
    const snapshot = yield* takeSnapshot(call);
    try {
      return yield* copyFileFrom(snapshot, call);
    } finally {
      snapshot.discard();
    }
  },
};

interface CopyOptions {
  dereference?: boolean;
  recursive?: boolean;
  verbatimSymlinks?: boolean;
  filter?: (source: string, dest: string) => unknown;
}

function at(call: Call, path: string): Call {
  return { ...call, target: { ...call.target, given: path, normal: path, ask: call.gate.files.remotePath(path) } };
}

const MODE_TYPE = 0o170000;
const MODE_LINK = 0o120000;
const MODE_FOLDER = 0o040000;

/** Brings a whole tree over, for Node's own `cp` to copy with all its rules. */
function* fetchTree(call: Call, to: string, options: CopyOptions): Steps<void> {
  const { gate, target } = call;
  const method = options.dereference ? 'fs.stat' : 'fs.lstat';
  const found = yield* attempt(ask(gate, method, { path: target.ask }), method.slice('fs.'.length), target.given);
  const { stat } = found.result;
  const mode = Number(stat.mode);
  const seconds = (ns: bigint) => Number(BigInt(ns)) / 1e9;
  if ((mode & MODE_TYPE) === MODE_LINK) {
    const { result } = yield* ask(gate, 'fs.readlink', { path: target.ask });
    // `cp` makes relative links absolute, from where the link is: for the copy that would be a temporary folder.
    const link = options.verbatimSymlinks ? result.target : posix.resolve(posix.dirname(target.normal), result.target);
    realFs.symlinkSync(link, to);
    return;
  }
  if ((mode & MODE_TYPE) === MODE_FOLDER) {
    realFs.mkdirSync(to, 0o700);
    // Without `recursive` Node refuses a folder, and an empty one is enough for that.
    if (!options.recursive) return;
    const { entries } = (yield* ask(gate, 'fs.readdir', { path: target.ask })).result;
    for (const { name } of entries) {
      // What an agent says must not lead out of the temporary folder.
      if (name === '..' || basename(name) !== name) throw systemError('EINVAL', { syscall: 'cp', path: name });
      yield* fetchTree(at(call, posix.join(target.normal, name)), join(to, name), options);
    }
  } else {
    yield* fetchFile(call, to);
  }
  realFs.chmodSync(to, (mode & 0o777) | ((mode & MODE_TYPE) === MODE_FOLDER ? 0o700 : 0o400));
  realFs.utimesSync(to, seconds(stat.atimeNs), seconds(stat.mtimeNs));
}

function withTranslatedFilter(call: Call, options: CopyOptions, copy: string): CopyOptions {
  const { filter } = options;
  if (typeof filter !== 'function') return options;
  const own = call.gate.outside(filter);
  return {
    ...options,
    filter: (source, dest) =>
      own(
        source.replace(copy, () => call.target.given),
        dest,
      ),
  };
}

/** A file or tree of the pod to a path of the client. The tree comes over first, also what `filter` leaves out. */
export const cp: Operation<CopyOptions> = {
  method: 'cp',
  syscall: 'cp',
  passesUndefined: true,
  maxArguments: 2,
  parse([dest, options]) {
    if (!pathText(dest) || (options !== undefined && (typeof options !== 'object' || options === null)))
      return undefined;
    return (options ?? {}) as CopyOptions;
  },
  *run(call, options) {
    call.rest = destChecked('cp', call);
    const dest = call.rest[0] as string;
    const folder = makePrivateFolder();
    const copy = join(folder.path, basename(call.target.normal) || 'root');
    try {
      yield* fetchTree(call, copy, options);
      const translated = withTranslatedFilter(call, options, copy) as object;
      yield* take<void>({
        sync: () => call.gate.runNativeSync(() => realFs.cpSync(copy, dest, translated)),
        async: () => call.gate.runNativeAsync((done) => realPromises.cp(copy, dest, translated).finally(done)),
      });
      return undefined;
    } catch (error) {
      throw renameInError(error, copy, call.target.given);
    } finally {
      folder.discard();
    }
  },
};
