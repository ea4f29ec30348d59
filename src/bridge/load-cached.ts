import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import vm from 'node:vm';
import { VERSION } from '../version';

/** Milliseconds after which what was compiled by then is worth keeping: a start uses most of the code. */
const KEEP_AFTER = 600;
/** Milliseconds after which a file of an earlier version goes; one that is still used is made anew, which costs one start. */
const MAX_AGE = 30 * 86_400_000;

export interface LoadCachedOptions {
  /** Where caches are kept; undefined = nowhere. */
  folder?: string | undefined;
  keepAfterMs?: number;
}

/**
 * Runs a bundle that is one function expression `(function (exports, require, module, __filename, __dirname) {…})` as
 * `require` would run what is in it, with V8's code cache from the user's cache folder. Each change of the file and each
 * engine has a cache of its own, and V8 checks it once more. Without it, all is as ever.
 *
 * The wrapper is part of the file and the file is ASCII, so that its text is in memory once, as it was read: copies of it would
 * cost two or three collections of garbage, milliseconds each, in a start.
 */
export function loadCached(file: string, options: LoadCachedOptions = {}): void {
  const { folder = cacheFolder(), keepAfterMs = KEEP_AFTER } = options;
  const { source, key } = readSource(file);
  const cache = folder && join(folder, `${key}.bin`);
  const cachedData = cache ? readOrNothing(cache) : undefined;
  // What the code imports at run time is found by Node's own loader.
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const script = new vm.Script(source, { filename: file, cachedData, importModuleDynamically });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  if (!cache || (cachedData && !script.cachedDataRejected)) return;
  setTimeout(() => keep(cache, script), keepAfterMs).unref();
}

/** The key changes with whatever is done to the file: nobody can set the time of that. */
function readSource(file: string): { source: string; key: string } {
  const { arch, versions } = process;
  const descriptor = openSync(file, 'r');
  try {
    const { ino, size, ctimeMs } = fstatSync(descriptor);
    const key = [VERSION, versions.v8, arch, ino, size, ctimeMs].join('-').replace(/[^\w.-]/g, '');
    return { source: readFileSync(descriptor, 'latin1'), key };
  } finally {
    closeSync(descriptor);
  }
}

function cacheFolder(): string | undefined {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  try {
    if (process.platform === 'win32') return LOCALAPPDATA && join(LOCALAPPDATA, 'mirrord-node');
    return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'mirrord-node');
  } catch {
    // A user without a home.
    return undefined;
  }
}

function readOrNothing(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Written beside and renamed: somebody else may read it at this moment. */
function keep(path: string, script: vm.Script): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, script.createCachedData(), { mode: 0o600 });
    renameSync(fresh, path);
    removeOld(dirname(path));
  } catch {
    // A cache that cannot be written is none.
  }
}

function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > MAX_AGE) unlinkSync(path);
  }
}
