import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lstat, readlink, realpath, stat } from '../../../src/agent/files/metadata';
import { readSmallFile } from '../../../src/agent/files/read-file';
import { holdProcess } from '../../../src/agent/target/held-process';
import { readProcess } from '../../../src/agent/target/process-facts';
import { makeRoot, rejection } from './pod-root';

let root: ReturnType<typeof makeRoot>;
const text = async (path: string) => Buffer.from(await readSmallFile(root, path, 1000)).toString();
const descriptors = () => readdirSync('/proc/self/fd').length;

beforeEach(() => {
  root = makeRoot({
    'etc/hostname': 'pod',
    'etc/passwd': 'the passwd of the pod',
    'app/config.txt': 'config',
    'app/absolute': '-> /etc/hostname',
    'app/relative': '-> ../etc/hostname',
    'app/outside': '-> ../../../../../../../etc/passwd',
    'app/chain1': '-> /app/chain2',
    'app/chain2': '-> /app/chain3',
    'app/chain3': '-> /etc',
    'app/loop': '-> /app/loop',
    'app/pair1': '-> pair2',
    'app/pair2': '-> pair1',
    'app/dangling': '-> /nowhere',
    'app/slash': '-> config.txt/',
    'app/through': '-> config.txt/../config.txt',
  });
});
afterEach(() => root.remove());

describe('links', () => {
  it('an absolute link is resolved inside the root', async () => {
    expect(await text('/app/absolute')).toBe('pod');
    expect(await text('/app/chain1/hostname')).toBe('pod');
    expect((await realpath(root, '/app/chain1/../app/relative')).path).toBe('/etc/hostname');
  });

  it('`..` above the root stays at the root, in paths and in links', async () => {
    expect(await text('/../../../etc/passwd')).toBe('the passwd of the pod');
    expect(await text('/app/outside')).toBe('the passwd of the pod');
    expect((await realpath(root, '/..')).path).toBe('/');
  });

  it('a loop is ELOOP, as is a chain of 41 links, and a chain of 40 is not', async () => {
    expect(await rejection(stat(root, '/app/loop'))).toMatchObject({
      code: 'ELOOP',
      errno: -40,
      syscall: 'stat',
      path: '/app/loop',
    });
    expect(await rejection(stat(root, '/app/pair1'))).toMatchObject({ code: 'ELOOP' });
    for (let i = 1; i <= 41; i++) symlinkSync(i === 1 ? 'config.txt' : `n${i - 1}`, join(root.path, 'app', `n${i}`));
    expect((await stat(root, '/app/n40')).stat.size).toBe(6n);
    expect(await rejection(stat(root, '/app/n41'))).toMatchObject({ code: 'ELOOP' });
  });

  it('lstat and readlink see the link, and a trailing slash follows it', async () => {
    expect(Number((await lstat(root, '/app/chain3')).stat.mode) & 0o170000).toBe(0o120000);
    expect(Number((await lstat(root, '/app/chain3/')).stat.mode) & 0o170000).toBe(0o040000);
    expect(await readlink(root, '/app/chain3')).toEqual({ target: '/etc' });
    expect(await rejection(readlink(root, '/app/config.txt'))).toMatchObject({ code: 'EINVAL', syscall: 'readlink' });
    expect(await rejection(readlink(root, '/'))).toMatchObject({ code: 'EINVAL' });
  });

  it('a link through a file, or with a slash behind a file, is ENOTDIR', async () => {
    expect(await rejection(stat(root, '/app/slash'))).toMatchObject({ code: 'ENOTDIR' });
    expect(await rejection(stat(root, '/app/through'))).toMatchObject({ code: 'ENOTDIR' });
  });

  it('a dangling link is ENOENT with the path that was asked for', async () => {
    expect(await rejection(text('/app/dangling'))).toMatchObject({
      code: 'ENOENT',
      errno: -2,
      syscall: 'open',
      path: '/app/dangling',
    });
  });

  it('a directory that turns into a link while it is walked never leads out of the root', async () => {
    const [real, moved] = [join(root.path, 'swap'), join(root.path, 'kept')];
    mkdirSync(real);
    writeFileSync(join(real, 'hostname'), 'inside');
    let stop = false;
    const swapping = (async () => {
      while (!stop) {
        renameSync(real, moved);
        symlinkSync('/etc', real);
        await new Promise(setImmediate);
        unlinkSync(real);
        renameSync(moved, real);
        await new Promise(setImmediate);
      }
    })();
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) seen.add(await text('/swap/hostname').catch((error) => error.code));
    stop = true;
    await swapping;
    for (const value of seen) expect(['inside', 'pod', 'ENOENT', 'ENOTDIR']).toContain(value);
  });
});

describe('paths', () => {
  it('something below a file is ENOTDIR, below nothing ENOENT', async () => {
    expect(await rejection(stat(root, '/app/config.txt/x'))).toMatchObject({ code: 'ENOTDIR' });
    expect(await rejection(stat(root, '/app/config.txt/'))).toMatchObject({ code: 'ENOTDIR' });
    expect(await rejection(stat(root, '/app/config.txt/..'))).toMatchObject({ code: 'ENOTDIR' });
    expect(await rejection(stat(root, '/none/x'))).toMatchObject({ code: 'ENOENT' });
    expect(await rejection(stat(root, ''))).toMatchObject({ code: 'ENOENT' });
  });

  it('a name of 255 bytes and a path of 4095 are looked up, one byte more is ENAMETOOLONG', async () => {
    expect(await rejection(stat(root, `/${'n'.repeat(255)}`))).toMatchObject({ code: 'ENOENT' });
    expect(await rejection(stat(root, `/${'n'.repeat(256)}`))).toMatchObject({ code: 'ENAMETOOLONG' });
    const long = `/app/${'./'.repeat(2040)}config.txt`;
    expect(long.length).toBe(4095);
    expect((await stat(root, long)).stat.size).toBe(6n);
    expect(await rejection(stat(root, `/${long}`))).toMatchObject({ code: 'ENAMETOOLONG' });
  });

  it('a relative path and one with NUL are refused', async () => {
    expect(await rejection(stat(root, 'app'))).toMatchObject({ code: 'EINVAL' });
    expect(await rejection(stat(root, '/app\0'))).toMatchObject({ code: 'EINVAL' });
  });

  it('no descriptor stays open, whatever the outcome', async () => {
    const paths = [
      '/app/config.txt',
      '/app/loop',
      '/none',
      '/app/chain1/hostname',
      '/app/../app/relative',
      '/app/slash',
    ];
    const before = descriptors();
    for (const path of paths)
      await Promise.allSettled([stat(root, path), lstat(root, path), text(path), realpath(root, path)]);
    expect(descriptors()).toBe(before);
  });
});

describe('/proc/self', () => {
  it('means the main process of the target, not the agent', async () => {
    const self = { path: '/', innerPid: process.ppid };
    expect((await realpath(self, '/proc/self')).path).toBe(`/proc/${process.ppid}`);
    expect(await readlink(self, '/proc/self')).toEqual({ target: String(process.ppid) });
    expect((await realpath(self, '/proc/thread-self/status')).path).toMatch(`/proc/${process.ppid}/task/`);
    expect(Buffer.from(await readSmallFile(self, '/proc/self/status', 1e6)).toString()).toMatch(
      new RegExp(`^Pid:\\s+${process.ppid}$`, 'm'),
    );
  });
});

describe('a held process', () => {
  it('is meant for as long as it lives, and nothing afterwards', async () => {
    const child = spawn('sleep', ['30']);
    const facts = readProcess(child.pid!)!;
    expect(() => holdProcess({ ...facts, startTime: facts.startTime - 1 })).toThrow(
      expect.objectContaining({ code: 'TARGET_GONE' }),
    );
    const held = holdProcess(facts);
    expect((await stat(held.root, '/etc')).stat.ino).toBe(statSync('/etc', { bigint: true }).ino);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await rejection(stat(held.root, '/etc'))).toMatchObject({ code: 'EIO', syscall: 'stat', path: '/etc' });
    held.close();
  });
});
