import { constants } from 'node:fs';
import type { HandlerAnswer } from '../protocol/rpc';
import { readDirectory } from './files/directory';
import { fileError } from './files/file-error';
import { fileSource, type OpenSources } from './files/file-source';
import * as metadata from './files/metadata';
import { type Content, readContent } from './files/read-file';
import type { TargetRoot } from './files/walk';
import type { Handlers } from './handlers';
import * as check from './parameters';

/** Longest range of one call, as Node's own limit for one read. */
export const MAX_RANGE = 2 ** 31 - 1;

type FileMethods = { [M in keyof Handlers as M extends `fs.${string}` ? M : never]: Handlers[M] };

/** The `fs.*` methods. Errors carry the name of the system call Node would name, and the path as the client gave it. */
export function fileCalls(root: () => TargetRoot, open: OpenSources): FileMethods {
  const onPath =
    <T>(call: (root: TargetRoot, path: string) => Promise<T>) =>
    async ({ path }: { path: string }): Promise<{ result: T }> => {
      check.text('path', path);
      return { result: await call(root(), path) };
    };
  const rawOf = (content: Content, path: string): HandlerAnswer['raw'] =>
    'bytes' in content ? content.bytes : fileSource(content.fd, path, content.position, content.length, open);
  return {
    'fs.stat': onPath(metadata.stat),
    'fs.lstat': onPath(metadata.lstat),
    'fs.realpath': onPath(metadata.realpath),
    'fs.readlink': onPath(metadata.readlink),
    'fs.statfs': onPath(metadata.statfs),
    'fs.access': async ({ path, mode }) => {
      check.text('path', path);
      check.wholeNumber('mode', mode, 7);
      return { result: await metadata.access(root(), path, mode) };
    },
    'fs.readdir': async ({ path, recursive }, signal) => {
      check.text('path', path);
      return { result: { entries: await readDirectory(root(), path, recursive === true, { signal }) } };
    },
    'fs.readFile': async ({ path, flags, maxBytes }) => {
      check.text('path', path);
      if (maxBytes !== undefined) check.wholeNumber('maxBytes', maxBytes, Number.MAX_SAFE_INTEGER);
      checkFlags(path, flags);
      const { stats, content } = await readContent(root(), path, 0, maxBytes);
      return { result: { stat: metadata.toWireStat(stats) }, raw: rawOf(content, path) };
    },
    'fs.read': async ({ path, position, length }) => {
      check.text('path', path);
      check.wholeNumber('position', position, Number.MAX_SAFE_INTEGER);
      check.wholeNumber('length', length, MAX_RANGE);
      const { content } = await readContent(root(), path, position, length);
      return { result: {}, raw: rawOf(content, path) };
    },
  };
}

/** Reading only: flags that would create or change the file are refused as on a read-only volume. Numbers as on Linux. */
function checkFlags(path: string, flags = 0): void {
  check.wholeNumber('flags', flags, 0x7fff_ffff);
  if ((flags & (constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND)) !== 0) {
    throw fileError('EROFS', 'open', path);
  }
  // The kernel opens it and refuses the read.
  if ((flags & 3) === constants.O_WRONLY) throw fileError('EBADF', 'read', path);
}
