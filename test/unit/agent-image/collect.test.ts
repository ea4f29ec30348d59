import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectPrograms, findProgram, resolveIn } from '../../../scripts/collect-programs.mjs';
import { readElf } from '../../../scripts/elf.mjs';

const onLinux = process.platform === 'linux';

describe.skipIf(!onLinux)('what a program needs', () => {
  it('is read from its file', () => {
    const { interpreter, needed } = readElf(readFileSync(process.execPath))!;
    expect(interpreter).toMatch(/^\/lib(64)?\/ld-/);
    expect(needed.join()).toMatch(/libc\./);
  });

  it('is nothing that a script or half a file could say', () => {
    expect(readElf(Buffer.from('#!/bin/sh\n'))).toBe(undefined);
    expect(readElf(Buffer.from('\x7fELF', 'latin1'))).toBe(undefined);
  });
});

describe.skipIf(!onLinux)('another machine’s files in a folder', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mirrord-root-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('are followed from link to link within that folder', () => {
    mkdirSync(join(root, 'etc'));
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    writeFileSync(join(root, 'usr/bin/real'), '');
    symlinkSync('/etc/chosen', join(root, 'usr/bin/tool'));
    symlinkSync('../usr/bin/real', join(root, 'etc/chosen'));
    symlinkSync('usr/bin', join(root, 'bin'));
    symlinkSync('loop', join(root, 'loop'));
    expect(resolveIn(root, '/bin/tool')).toBe(join(root, 'usr/bin/real'));
    expect(resolveIn(root, '/loop')).toBe(undefined);
    expect(resolveIn(root, '/bin/none')).toBe(undefined);
    // Above the root there is the root; this machine's own programs are not meant.
    expect(findProgram(root, 'sh')).toBe(undefined);
    expect(findProgram(root, 'other', 'tool')).toBe('/usr/bin/tool');
  });

  it('give a program all its libraries, from there alone, and name one that is missing', () => {
    const copy = (path: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      cpSync(resolveIn('/', path)!, join(root, path));
    };
    const here = collectPrograms({ '/usr/local/bin/node': process.execPath });
    for (const path of here.keys()) if (path !== '/usr/local/bin/node') copy(path);
    const there = collectPrograms({ '/usr/local/bin/node': process.execPath }, root);
    const needed = [...here.keys()].filter((path) => /\.so/.test(path));
    expect([...there.keys()].filter((path) => /\.so/.test(path)).sort()).toEqual(needed.sort());
    const [library] = needed.filter((path) => /libstdc/.test(path));
    rmSync(join(root, library!));
    expect(() => collectPrograms({ '/usr/local/bin/node': process.execPath }, root)).toThrow(
      /\/usr\/local\/bin\/node needs libstdc.*, which this machine has not got/,
    );
  });
});
