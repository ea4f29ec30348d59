import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createListenerRegistry } from '../../../src/runtime/listeners';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-listeners-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('a port counts while the last server on it listens', () => {
  const registry = createListenerRegistry(undefined);
  registry.opened(3000);
  registry.opened(3000);
  registry.closed(3000);
  expect(registry.has(3000)).toBe(true);
  registry.closed(3000);
  expect(registry.has(3000)).toBe(false);
});

it('another process of the tree sees it, and only as long as it is open', () => {
  const one = createListenerRegistry(folder);
  const other = createListenerRegistry(folder);
  one.opened(3000);
  expect([other.has(3000), other.has(300), other.has(30001)]).toEqual([true, false, false]);
  one.closed(3000);
  expect(other.has(3000)).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

it('a process that was killed does not count', () => {
  writeFileSync(join(folder, 'listen-3000-999999999-0'), '');
  expect(createListenerRegistry(folder).has(3000)).toBe(false);
});

it('a folder that is gone costs nothing but the other processes', () => {
  rmSync(folder, { recursive: true });
  const registry = createListenerRegistry(folder);
  registry.opened(3000);
  expect([registry.has(3000), registry.has(3001)]).toEqual([true, false]);
  expect(() => registry.closed(3000)).not.toThrow();
});
