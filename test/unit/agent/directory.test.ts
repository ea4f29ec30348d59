import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readDirectory } from '../../../src/agent/files/directory';
import { access, statfs } from '../../../src/agent/files/metadata';
import { makeRoot, rejection } from './pod-root';

let root: ReturnType<typeof makeRoot>;
beforeEach(() => {
  root = makeRoot({
    'app/b.txt': '',
    'app/a/inner/deep.txt': '',
    'app/a/x': '',
    'app/up': '-> /app',
    'app/none': '-> /none',
    'other/file': '',
  });
});
afterEach(() => root.remove());

it('lists names with types, as Node orders them', async () => {
  const entries = await readDirectory(root, '/app', false);
  expect(entries).toEqual([
    { name: 'a', type: 2, parent: '' },
    { name: 'b.txt', type: 1, parent: '' },
    { name: 'none', type: 3, parent: '' },
    { name: 'up', type: 3, parent: '' },
  ]);
});

it('a recursive list has what Node itself lists, in its order, and does not follow links', async () => {
  mkdirSync(join(root.path, 'app/a/second'));
  writeFileSync(join(root.path, 'app/a/second/file'), '');
  const expected = readdirSync(join(root.path, 'app'), { recursive: true, withFileTypes: true });
  for (const path of ['/app', '/app/', '/app/up/', '/app/up/up']) {
    const entries = await readDirectory(root, path, true);
    expect(entries.map(({ parent, name }) => join(root.path, 'app', parent, name))).toEqual(
      expected.map((entry) => join((entry as { parentPath?: string }).parentPath ?? entry.path, entry.name)),
    );
  }
});

it('the root can be listed', async () => {
  expect((await readDirectory(root, '/', false)).map(({ name }) => name)).toEqual(['app', 'other']);
});

it('what is no directory is ENOTDIR, what is not there ENOENT', async () => {
  expect(await rejection(readDirectory(root, '/app/b.txt', false))).toMatchObject({
    code: 'ENOTDIR',
    errno: -20,
    syscall: 'scandir',
    path: '/app/b.txt',
  });
  expect(await rejection(readDirectory(root, '/app/none', false))).toMatchObject({
    code: 'ENOENT',
    syscall: 'scandir',
  });
});

it('the limit of entries holds at n and fails at n + 1', async () => {
  expect(await readDirectory(root, '/app', false, { maxEntries: 4 })).toHaveLength(4);
  expect(await rejection(readDirectory(root, '/app', false, { maxEntries: 3 }))).toMatchObject({ code: 'EOVERFLOW' });
});

it('access: x needs an x bit, everything else is open to root', async () => {
  await access(root, '/app/b.txt', 4 | 2);
  expect(await rejection(access(root, '/app/b.txt', 1))).toMatchObject({ code: 'EACCES', syscall: 'access' });
  writeFileSync(join(root.path, 'run.sh'), '', { mode: 0o755 });
  await access(root, '/run.sh', 1);
  expect(await rejection(access(root, '/none', 0))).toMatchObject({ code: 'ENOENT', path: '/none' });
});

it('statfs tells about the file system of the place', async () => {
  const { statfsSync } = await import('node:fs');
  const expected = statfsSync(root.path, { bigint: true });
  const actual = await statfs(root, '/app');
  expect(actual.type).toBe(expected.type);
  expect(actual.blocks).toBe(expected.blocks);
  symlinkSync('/proc', join(root.path, 'proc'));
  expect(await rejection(statfs(root, '/proc'))).toMatchObject({ code: 'ELOOP' });
});
