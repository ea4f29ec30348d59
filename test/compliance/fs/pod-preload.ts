/**
 * Puts the file patch into a process, with the agent's own file code on a folder as the pod. What blocks is answered by
 * Node's blocking functions on the same folder, as this process has no second thread.
 */
import * as fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { fileCalls } from '../../../src/agent/file-calls';
import { fsPatch } from '../../../src/patches/fs';
import { WireFailure } from '../../../src/protocol/session-types';
import { createFilePolicy } from '../../../src/runtime/files';
import type { FileAccess, PatchContext, WireStat } from '../../../src/runtime/verdict';

const root = process.env.COMPLIANCE_POD!;
const real = { ...fs };
const calls = fileCalls(() => ({ path: root, innerPid: undefined }), new Set()) as Record<string, any>;
const counts = { sync: 0, async: 0 };
(globalThis as Record<string, unknown>).podCalls = counts;

const stat = (path: string): WireStat => real.statSync(path, { bigint: true }) as unknown as WireStat;

function readFolder(path: string, parent: string, recursive: boolean): unknown[] {
  const names = real.readdirSync(`${path}/${parent}`, { withFileTypes: true });
  const type = (entry: fs.Dirent) => (entry.isFile() ? 1 : entry.isDirectory() ? 2 : entry.isSymbolicLink() ? 3 : 0);
  const own = names.map((entry) => ({ name: entry.name, type: type(entry), parent }));
  if (!recursive) return own;
  return own.flatMap((entry) =>
    entry.type === 2 ? [entry, ...readFolder(path, parent ? `${parent}/${entry.name}` : entry.name, true)] : [entry],
  );
}

const blocking: Record<string, (path: string, params: any) => { result: unknown; raw?: Uint8Array }> = {
  'fs.stat': (path) => ({ result: { stat: stat(path) } }),
  'fs.lstat': (path) => ({ result: { stat: real.lstatSync(path, { bigint: true }) } }),
  'fs.access': (path, { mode }) => ({ result: real.accessSync(path, mode) ?? {} }),
  'fs.readlink': (path) => ({ result: { target: real.readlinkSync(path) } }),
  'fs.realpath': (path) => ({ result: { path: real.realpathSync.native(path).slice(root.length) || '/' } }),
  'fs.statfs': (path) => ({ result: real.statfsSync(path, { bigint: true }) }),
  'fs.readdir': (path, { recursive }) => {
    real.readdirSync(path);
    return { result: { entries: readFolder(path, '', recursive === true) } };
  },
  'fs.readFile': (path, { maxBytes, flags = 0 }) => {
    const fd = real.openSync(path, flags);
    try {
      const found = real.fstatSync(fd, { bigint: true });
      const raw = real.readFileSync(fd);
      return { result: { stat: found }, raw: raw.subarray(0, maxBytes) };
    } finally {
      real.closeSync(fd);
    }
  },
  'fs.read': (path, { position, length }) => ({
    result: {},
    raw: real.readFileSync(path).subarray(position, position + length),
  }),
};

function callSync(method: string, params: { path: string }): { result: unknown; raw: Uint8Array } {
  counts.sync += 1;
  try {
    const { result, raw } = blocking[method]!(root + params.path, params);
    return { result, raw: raw ?? new Uint8Array(0) };
  } catch (error) {
    const { code, errno, syscall, path } = error as NodeJS.ErrnoException;
    throw new WireFailure({ code: code!, errno, syscall, ...(path ? { path: params.path } : {}) });
  }
}

async function call(method: string, params: unknown): Promise<unknown> {
  counts.async += 1;
  const { result, raw } = await calls[method](params);
  if (!raw || raw instanceof Uint8Array) return { result, raw: raw ?? new Uint8Array(0) };
  const chunks: Uint8Array[] = [];
  for await (const chunk of raw.chunks) chunks.push(chunk);
  return { result, raw: Buffer.concat(chunks) };
}

const policy = createFilePolicy({
  fs: { mode: 'read', readOnly: [], readWrite: [], local: [], notFound: [], mapping: {} },
  volumeMounts: [],
  cwd: process.cwd(),
  home: homedir(),
  tmpdir: tmpdir(),
  execPath: process.execPath,
  platform: process.platform,
});
const files = { ...policy, call, callSync } as unknown as FileAccess;
fsPatch.install({ files, log() {} } as unknown as PatchContext);
syncBuiltinESMExports();
