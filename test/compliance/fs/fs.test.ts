import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const here = fileURLToPath(new URL('.', import.meta.url));
const node = process.env.COMPLIANCE_NODE ?? process.execPath;

interface Output {
  results: Record<string, unknown>;
  calls: { sync: number; async: number } | null;
}

function makeTree(root: string): void {
  mkdirSync(join(root, 'folder', 'deep', 'deeper'), { recursive: true });
  writeFileSync(join(root, 'file.txt'), 'The quick brown fox.\nJumps, too.\n', { mode: 0o640 });
  writeFileSync(join(root, 'inner-sibling.txt'), 'not here');
  writeFileSync(join(root, 'folder', 'inner-sibling.txt'), 'nor here');
  writeFileSync(join(root, 'folder', 'inner.txt'), 'inner', { mode: 0o755 });
  writeFileSync(join(root, 'folder', 'deep', 'deeper', 'leaf'), 'leaf');
  symlinkSync('../inner.txt', join(root, 'folder', 'deep', 'up'));
  symlinkSync('file.txt', join(root, 'link'));
  symlinkSync('folder/deep', join(root, 'folder-link'));
  writeFileSync(join(root, 'folder', 'deep', 'inner.txt'), 'behind a link');
  symlinkSync('nowhere', join(root, 'dangling'));
  symlinkSync('loop', join(root, 'loop'));
  writeFileSync(join(root, 'empty'), '');
  writeFileSync(join(root, 'big.bin'), Buffer.alloc(5 * 1024 * 1024 + 3, 'abcdefg'));
  writeFileSync(join(root, 'binary.bin'), Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 7) % 256)));
  writeFileSync(join(root, 'größe-漢字.txt'), 'ünïcode 漢字');
}

// The agent's file code, which plays the pod here, works on Linux.
describe.skipIf(process.platform !== 'linux')('files of a pod, compared with the same files on this machine', () => {
  const work = mkdtempSync(join(tmpdir(), 'compliance-fs-'));
  const tree = `/srv/mirrord-compliance-${process.pid}`;
  let plain: Output;
  let patched: Output;

  async function run(preload: string[]): Promise<Output> {
    const out = join(work, 'out');
    mkdirSync(out, { recursive: true });
    const { stdout } = await promisify(execFile)(node, [...preload, join(here, 'cases.cjs')], {
      maxBuffer: 256 * 1024 * 1024,
      timeout: 100_000,
      env: {
        PATH: process.env.PATH,
        COMPLIANCE_TREE: tree,
        COMPLIANCE_OUT: out,
        COMPLIANCE_POD: join(work, 'pod'),
        COMPLIANCE_CWD: here,
      },
    });
    return JSON.parse(stdout) as Output;
  }

  beforeAll(async () => {
    const preload = join(work, 'preload.cjs');
    const entry = join(here, 'pod-preload.ts');
    await build({ entryPoints: [entry], outfile: preload, bundle: true, platform: 'node', format: 'cjs' });
    makeTree(tree);
    plain = await run([]);
    // The very same files, with their times and inodes, at the same path in the pod only.
    mkdirSync(join(work, 'pod', dirname(tree)), { recursive: true });
    renameSync(tree, join(work, 'pod', tree));
    patched = await run(['--require', preload]);
  }, 120_000);

  afterAll(() => {
    rmSync(tree, { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  });

  it('asked the pod, as the tree is gone from this machine', () => {
    expect(existsSync(tree)).toBe(false);
    expect(plain.calls).toBe(null);
    expect(patched.calls!.sync).toBeGreaterThan(200);
    expect(patched.calls!.async).toBeGreaterThan(400);
    expect(Object.keys(plain.results).length).toBeGreaterThan(1000);
  });

  it('calls the same cases in both runs', () => {
    expect(Object.keys(patched.results)).toEqual(Object.keys(plain.results));
  });

  const methods = [
    'stat',
    'lstat',
    'access',
    'readlink',
    'realpath',
    'readdir',
    'readFile',
    'statfs',
    'exists',
    'open',
  ];
  it.each([...methods, 'opendir', 'createReadStream', 'copyFile', 'cp', ''])('answers %s as Node does', (method) => {
    const belongs = (title: string) => {
      const name = title.split(' ').find((word) => !/^promis/.test(word) || word.includes('.'))!;
      const base = name.replace(/^promises\./, '').replace(/(Sync)?(\.native)?$/, '');
      return method === ''
        ? ![...methods, 'opendir', 'createReadStream', 'copyFile', 'cp'].includes(base)
        : base === method;
    };
    const titles = Object.keys(plain.results).filter(belongs);
    expect(titles.length).toBeGreaterThan(0);
    const pick = (output: Output) => Object.fromEntries(titles.map((title) => [title, output.results[title]]));
    expect(pick(patched)).toEqual(pick(plain));
  });
});
