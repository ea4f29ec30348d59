/**
 * Node's own functions, captured when this file is loaded: before any patch of ours, before the app's first line, before
 * fake timers. Our own code calls these and nothing else, so that a patched or mocked module can neither recurse into us
 * nor stop our clocks.
 *
 * Only modules that Node has loaded by the time a preload runs are captured here: a dormant preload has to stay cheap,
 * and `net` alone costs several milliseconds. Patches of other modules keep the original they replaced.
 */
import fs from 'node:fs';

export const {
  accessSync,
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} = fs;

export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, queueMicrotask } =
  globalThis;

/** Bound, as it reads `process` through `this` in some versions. */
export const nextTick: typeof process.nextTick = process.nextTick.bind(process);
