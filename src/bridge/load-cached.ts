import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

/** Milliseconds after which what was compiled by then is worth keeping: a start uses most of the code. */
const KEEP_AFTER = 1_500;
/** Milliseconds after which a file of an earlier version goes; one that is still used is made anew, which costs one start. */
const MAX_AGE = 30 * 86_400_000;

/**
 * Runs a CommonJS file as `require` would, with V8's code cache from the user's cache folder. The cache is found by a hash of
 * the code and of the engine, so it never belongs to another version; V8 checks it once more. Without it, all is as ever.
 */
export function loadCached(file: string, folder = cacheFolder()): void {
  const require = createRequire(file);
  const source = readFileSync(file, 'utf8');
  const cache = folder && join(folder, `${keyOf(source)}.bin`);
  const cachedData = cache ? readOrNothing(cache) : undefined;
  const script = new vm.Script(
    `(function (exports, require, module, __filename, __dirname) {${source}\n})`,
    // What the code imports at run time is found by Node's own loader.
    { filename: file, cachedData, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
  );
  const module = { exports: {} };
  script.runInThisContext()(module.exports, require, module, file, dirname(file));
  if (!cache || (cachedData && !script.cachedDataRejected)) return;
  setTimeout(() => keep(cache, script), KEEP_AFTER).unref();
}

function keyOf(source: string): string {
  const { arch, versions } = process;
  return createHash('sha256').update(`${versions.v8} ${arch}\n`).update(source).digest('hex').slice(0, 32);
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
