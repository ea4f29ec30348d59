import { posix } from 'node:path';
import type { FsConfig } from '../config/types';
import { MirrordError } from '../errors';
import { findLocalRoots } from './local-roots';
import { LOCAL, LOCAL_FOR_NODE, LOCAL_ON_MACOS, NOT_FOUND_IN_HOME, READ_REMOTE } from './path-defaults';
import { compileList, compileMapping, escapePattern, type Matcher } from './path-rules';
import { type BypassReason, type FileAccess, type FileIntent, REMOTE, type Verdict } from './verdict';

export interface FilePolicyOptions {
  fs: FsConfig;
  /** Mount paths of the target's volumes; with `subPath` the mount is one file or folder inside of a volume. */
  volumeMounts: readonly { path: string; subPath: boolean }[];
  cwd: string;
  home: string;
  tmpdir: string;
  execPath: string;
  platform: NodeJS.Platform;
}

const BYPASS: Record<string, Verdict> = {};
function bypass(reason: BypassReason): Verdict {
  BYPASS[reason] ??= { kind: 'bypass', reason };
  return BYPASS[reason];
}

function trimSlashes(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

function notFound(path: string): Verdict {
  const error: NodeJS.ErrnoException = new Error(`ENOENT: no such file or directory, '${path}'`);
  error.code = 'ENOENT';
  return { kind: 'refuse', error };
}

function writeRefused(path: string): Verdict {
  const cause = new MirrordError('FS_WRITE_UNSUPPORTED', `${path} is the pod's, and this version cannot write there.`, {
    hint: 'Files of the pod can be read. List the path under feature.fs.read_only or feature.fs.local, or use feature.fs.mode "read", to write on this machine.',
  });
  const error: NodeJS.ErrnoException = new Error(`EROFS: read-only file system, '${path}'`, { cause });
  error.code = 'EROFS';
  return { kind: 'refuse', error };
}

/** Plain comparison: module loaders ask thousands of these while an app starts, and the expression below is slower. */
function isUnder(folders: readonly string[]): (path: string) => boolean {
  const prefixes = folders.map((folder) => `${folder}/`);
  return (path) => prefixes.some((prefix) => path.startsWith(prefix)) || folders.includes(path);
}

function defaultLocal({ cwd, home, tmpdir, execPath, platform }: FilePolicyOptions): (path: string) => boolean {
  const posixOnly = (paths: string[]) => paths.map(trimSlashes).filter((path) => path.startsWith('/') && path !== '/');
  const folders = posixOnly([...findLocalRoots(cwd), tmpdir, posix.dirname(execPath)]);
  const inFolder = isUnder(folders);
  const matches = compileList(
    [
      ...folders.map((folder) => `^${escapePattern(folder)}(/|$)`),
      ...posixOnly([home]).map((folder) => `^${escapePattern(folder)}/\\.`),
      ...posixOnly([execPath]).map((file) => `^${escapePattern(file)}$`),
      ...LOCAL_FOR_NODE,
      ...LOCAL,
      ...(platform === 'darwin' ? LOCAL_ON_MACOS : []),
    ],
    'default local paths',
  )!;
  return (path) => inFolder(path) || matches(path);
}

/** Mounts are the pod's, whose file systems tell upper from lower case. */
function mountMatcher(mounts: FilePolicyOptions['volumeMounts']): Matcher {
  if (mounts.length === 0) return undefined;
  const files = mounts.filter(({ subPath }) => subPath).map(({ path }) => trimSlashes(path));
  const under = isUnder(mounts.filter(({ subPath }) => !subPath).map(({ path }) => trimSlashes(path)));
  return (path) => under(path) || files.includes(path);
}

/**
 * Decides by the path alone whether a file is the pod's; whether it exists here or there plays no part. First hit wins:
 *
 * 1. `mapping` rewrites the path; all that follows sees the new one
 * 2. mode `local`: the client's
 * 3. the configuration: `not_found`, `read_write`, `read_only`, `local`
 * 4. volume mounts of the target: the pod's, for reading
 * 5. default not-found; default remote, for reading; default local with Node's own loaders
 * 6. the mode: `read` and `write` read from the pod, `localwithoverrides` from the client
 *
 * Writes go to the client, except where the configuration names them the pod's: those are refused.
 *
 * @throws MirrordError FS_PATTERN_INVALID
 */
export function createFilePolicy(options: FilePolicyOptions): Pick<FileAccess, 'decide' | 'remotePath'> {
  const { fs, volumeMounts, home } = options;
  const map = compileMapping(fs.mapping, 'feature.fs.mapping');
  const remotePath = map ?? ((path: string) => path);
  if (fs.mode === 'local') return { decide: () => bypass('feature-off'), remotePath };

  const user = {
    notFound: compileList(fs.notFound, 'feature.fs.not_found'),
    readWrite: compileList(fs.readWrite, 'feature.fs.read_write'),
    readOnly: compileList(fs.readOnly, 'feature.fs.read_only'),
    local: compileList(fs.local, 'feature.fs.local'),
  };
  const mounts = mountMatcher(volumeMounts);
  const hidden = home.startsWith('/')
    ? compileList([`^${escapePattern(home)}/${NOT_FOUND_IN_HOME}`], 'home')
    : undefined;
  const readRemote = compileList(READ_REMOTE, 'default remote paths')!;
  const local = defaultLocal(options);

  function decide(given: string, intent: FileIntent): Verdict {
    const path = map ? map(given) : given;
    const writes = intent === 'write';
    if (user.notFound?.(path)) return notFound(given);
    if (user.readWrite?.(path)) return writes ? writeRefused(given) : REMOTE;
    if (user.readOnly?.(path)) return writes ? bypass('write-stays-local') : REMOTE;
    if (user.local?.(path)) return bypass('configured-local');
    if (mounts?.(path)) return writes ? bypass('write-stays-local') : REMOTE;
    if (hidden?.(path)) return notFound(given);
    if (!writes && readRemote(path)) return REMOTE;
    if (local(path)) return bypass('default-local');
    if (fs.mode === 'localwithoverrides') return bypass('default-local');
    if (!writes) return REMOTE;
    return fs.mode === 'write' ? writeRefused(given) : bypass('write-stays-local');
  }

  return { decide, remotePath };
}
