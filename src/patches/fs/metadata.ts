import type { WireStat } from '../../runtime/verdict';
import { ask, type Operation } from './call';
import { failureCode } from './errors';
import { encodeName, parseOptions } from './options';
import { constants, realFs, realFunction, realPromises } from './originals';
import { makeStatFs, makeStats } from './stats';
import { take } from './steps';

/** No file has the executable as its folder: ENOTDIR or ENOENT on every system. */
const MISSING = `${process.execPath}${process.platform === 'win32' ? '\\' : '/'}mirrord`;

interface StatOptions {
  bigint: boolean;
  throwIfNoEntry: boolean;
  given: unknown;
}

function parseStat([value]: unknown[]): StatOptions | undefined {
  if (value === undefined) return { bigint: false, throwIfNoEntry: true, given: value };
  // Node reads properties of whatever it is given here, which fails for null.
  if (value === null) return undefined;
  const { bigint, throwIfNoEntry } = value as { bigint?: unknown; throwIfNoEntry?: unknown };
  return { bigint: Boolean(bigint), throwIfNoEntry: throwIfNoEntry !== false, given: value };
}

/** Whether this version's `statSync` takes "not a folder" as "no entry" too, and whether its async forms know the option. */
function ignoresMissing(method: string, code: string): boolean {
  if (code === 'ENOENT') return true;
  if (code !== 'ENOTDIR') return false;
  try {
    return realFunction(`${method}Sync`)(MISSING, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

async function asyncKnowsOption(method: 'stat' | 'lstat'): Promise<boolean> {
  const options = { throwIfNoEntry: false } as object;
  const missing = `${process.execPath}.mirrord-${process.pid}`;
  return realPromises[method](missing, options).then(
    () => true,
    () => false,
  );
}

function statOperation(method: 'stat' | 'lstat'): Operation<StatOptions> {
  return {
    method,
    syscall: method,
    maxArguments: 1,
    passesUndefined: true,
    parse: parseStat,
    *run({ gate, target, form }, { bigint, given }) {
      // Some versions refuse options that are no object, in some forms: a file that is surely here shows which.
      if (given !== undefined && typeof given !== 'object' && form === 'promise') {
        yield* take<unknown>({ sync: () => {}, async: () => realPromises[method](process.execPath, given as object) });
      }
      const { result } = yield* ask(gate, `fs.${method}`, { path: target.ask });
      return makeStats((result as { stat: WireStat }).stat, bigint);
    },
    *fail(error, _call, { throwIfNoEntry }) {
      const code = failureCode(error);
      if (throwIfNoEntry || code === undefined || !ignoresMissing(method, code)) throw error;
      const quiet = yield* take<boolean>({ sync: () => true, async: () => asyncKnowsOption(method) });
      if (!quiet) throw error;
      return undefined;
    },
  };
}

export const access: Operation<{ mode: number }> = {
  method: 'access',
  syscall: 'access',
  maxArguments: 1,
  parse([mode]) {
    if (mode === undefined || mode === null) return { mode: constants.F_OK };
    return Number.isInteger(mode) && (mode as number) >= 0 && (mode as number) <= 7
      ? { mode: mode as number }
      : undefined;
  },
  *run({ gate, target }, { mode }) {
    yield* ask(gate, 'fs.access', { path: target.ask, mode });
    return undefined;
  },
};

const readlink: Operation<ReturnType<typeof parseOptions> & object> = {
  method: 'readlink',
  syscall: 'readlink',
  maxArguments: 1,
  parse: ([value]) => parseOptions(value),
  *run({ gate, target }, { encoding }) {
    const { result } = yield* ask(gate, 'fs.readlink', { path: target.ask });
    return encodeName(result.target, encoding);
  },
};

const statfs: Operation<{ bigint: boolean }> = {
  method: 'statfs',
  syscall: 'statfs',
  maxArguments: 1,
  parse: parseStat,
  *run({ gate, target }, { bigint }) {
    const { result } = yield* ask(gate, 'fs.statfs', { path: target.ask });
    return makeStatFs(result, bigint);
  },
};

export const metadataOperations: Operation[] = [
  statOperation('stat'),
  statOperation('lstat'),
  access,
  readlink,
  ...(typeof realFs.statfs === 'function' ? [statfs] : []),
];
