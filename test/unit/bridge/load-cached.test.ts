import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadCached } from '../../../src/bridge/load-cached';
import { eventually } from '../../support/eventually';

let place: string;
let file: string;
let folder: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'mirrord-cached-'));
  file = join(place, 'bundle.cjs');
  folder = join(place, 'cache');
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const said: unknown[] = (globalThis as any).loadCachedSaid ?? [];
(globalThis as any).loadCachedSaid = said;

const write = (body: string) =>
  writeFileSync(file, `(function (exports, require, module, __filename, __dirname) {${body}\n})`);
const load = (path = file) => {
  said.length = 0;
  loadCached(path, { folder, keepAfterMs: 0 });
  return [...said];
};
/** By another name V8 does not take it for what it has just compiled. */
const loadAsAnother = () => {
  const other = join(place, `other-${Math.random()}.cjs`);
  symlinkSync(file, other);
  return load(other);
};
const caches = () => {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.bin'));
  } catch {
    return [];
  }
};
const cached = async (count: number) => {
  await eventually('the cache to be kept', async () => caches().length === count);
  return caches().map((name) => join(folder, name));
};

it('runs a file as require would, and keeps what was compiled for nobody else to read', async () => {
  write(
    'loadCachedSaid.push(__filename, __dirname, require("node:path").sep, typeof module.exports, exports === module.exports)',
  );
  expect(load()).toEqual([file, place, join('/'), 'object', true]);
  const [cache] = await cached(1);
  expect(statSync(cache!).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

it('uses it the next time', async () => {
  write('loadCachedSaid.push("first")');
  load();
  const [cache] = await cached(1);
  const old = new Date(Date.now() - 60_000);
  utimesSync(cache!, old, old);
  expect(loadAsAnother()).toEqual(['first']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  // One that V8 had refused would have been written anew.
  expect(statSync(cache!).mtimeMs).toBe(old.getTime());
});

it('never uses that of another text, though it is as long and claims to be as old', async () => {
  write('loadCachedSaid.push("one")');
  const { atime, mtime } = statSync(file);
  load();
  await cached(1);
  write('loadCachedSaid.push("two")');
  utimesSync(file, atime, mtime);
  expect(load()).toEqual(['two']);
});

it('is not led astray by a damaged cache, and replaces it', async () => {
  write('loadCachedSaid.push("right")');
  load();
  const [cache] = await cached(1);
  writeFileSync(cache!, 'damaged');
  expect(loadAsAnother()).toEqual(['right']);
  await eventually('the cache to be right again', async () => readFileSync(cache!).length > 100);
});

it('does without where nothing can be kept', async () => {
  writeFileSync(folder, 'a file where the folder should be');
  write('loadCachedSaid.push("here")');
  expect(load()).toEqual(['here']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(load()).toEqual(['here']);
});

it('throws what the file throws', () => {
  write('throw new RangeError("mine")');
  expect(load).toThrow(new RangeError('mine'));
  writeFileSync(file, 'const = 1');
  expect(load).toThrow(SyntaxError);
});
