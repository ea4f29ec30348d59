import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MACHINES, readElf } from '../../../scripts/elf.mjs';
import { makeForeignRoot } from '../../../scripts/foreign-root.mjs';
import { readTar } from '../../../scripts/tar.mjs';

const root = new URL('../../..', import.meta.url).pathname;
const foreign = process.arch === 'arm64' ? 'amd64' : 'arm64';
const json = (bytes: Buffer) => JSON.parse(bytes.toString('utf8'));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-foreign-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(process.platform !== 'linux')(`an image for ${foreign}, made on ${process.arch}`, () => {
  it('holds programs of that machine alone, and says so', { timeout: 300_000 }, ({ skip }) => {
    const output = join(folder, 'image.tar');
    const args = ['scripts/build-agent-image.mjs', '--arch', foreign, '--output', output];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 280_000 });
    // Without Debian's packages and a network there is nothing to look at.
    if (stderr.includes('cannot be fetched')) skip(stderr.split('\n')[0]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const parts = readTar(readFileSync(output));
    const blob = (digest: string) => parts.get(`blobs/sha256/${digest.slice(7)}`)!;
    const [descriptor] = json(parts.get('index.json')!).manifests;
    const manifest = json(blob(descriptor.digest));
    expect(json(blob(manifest.config.digest))).toMatchObject({ os: 'linux', architecture: foreign });
    const files = manifest.layers.flatMap(({ digest }: any) => [...readTar(gunzipSync(blob(digest)))]) as [
      string,
      Buffer,
    ][];
    const machines = files.flatMap(([path, content]) => {
      const elf = readElf(content);
      return elf ? [[path, elf.machine] as const] : [];
    });
    const paths = machines.map(([path]) => path);
    expect(paths).toEqual(expect.arrayContaining(['usr/local/bin/node', 'bin/sh']));
    for (const tool of ['nsenter', 'nft', 'iptables', 'iptables-restore', 'ss']) {
      expect(paths.find((path) => path.endsWith(`/${tool}`))).toBeDefined();
    }
    expect(machines.filter(([, machine]) => machine !== MACHINES[foreign])).toEqual([]);
    expect(files.map(([path]) => path)).toContain('opt/mirrord/agent.cjs');
  });

  it('that cannot be fetched is an error that says by what, and what to do', () => {
    vi.stubEnv('PATH', folder);
    expect(() => makeForeignRoot(foreign, join(folder, 'root'))).toThrow(
      /cannot be fetched by apt-get: it is not installed\n.*build on a machine of that architecture.*--merge/,
    );
  });
});

it('an architecture that nobody makes images for is refused with those that there are', () => {
  const args = ['scripts/build-agent-image.mjs', '--arch', 'riscv64', '--output', join(folder, 'image.tar')];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('--arch must be amd64 or arm64, got "riscv64"\n');
  expect(status).toBe(1);
});
