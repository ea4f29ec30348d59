import { posix } from 'node:path';
import type { WireDirent } from '../../runtime/verdict';
import { ask, type Operation } from './call';
import { type EncodingOptions, encodeName, parseOptions } from './options';
import { realFs } from './originals';

type DirentConstructor = new (name: string | Buffer, type: number, path: unknown) => object;

/** A Dirent of this Node version; `path` is the folder's, as the app wrote it. */
export function makeDirent(entry: WireDirent, path: string | Buffer, encoding: EncodingOptions['encoding']): object {
  const Dirent = realFs.Dirent as unknown as DirentConstructor;
  const folder = entry.parent ? posix.join(String(path), entry.parent) : path;
  return new Dirent(encodeName(entry.name, encoding), entry.type, folder);
}

interface ReaddirOptions extends EncodingOptions {
  withFileTypes: boolean;
  recursive: boolean;
}

export const readdir: Operation<ReaddirOptions> = {
  method: 'readdir',
  syscall: 'scandir',
  maxArguments: 1,
  parse([value]) {
    const options = parseOptions(value);
    if (!options) return undefined;
    const { recursive, withFileTypes } = options.object;
    if (recursive !== undefined && recursive !== null && typeof recursive !== 'boolean') return undefined;
    return { ...options, recursive: Boolean(recursive), withFileTypes: Boolean(withFileTypes) };
  },
  *run({ gate, target }, { encoding, withFileTypes, recursive }) {
    const { result } = yield* ask(gate, 'fs.readdir', { path: target.ask, recursive });
    if (withFileTypes) return result.entries.map((entry) => makeDirent(entry, target.given, encoding));
    return result.entries.map(({ name, parent }) => encodeName(parent ? `${parent}/${name}` : name, encoding));
  },
};
