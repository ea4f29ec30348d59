// What a program of a machine needs to run somewhere else: itself, its libraries, its plug-ins.
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { readElf } from './elf.mjs';

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** Folders of libraries by the loader that a program asks for, in the order in which that looks into them. */
const TRIPLETS = { 'ld-linux-x86-64.so.2': 'x86_64-linux-gnu', 'ld-linux-aarch64.so.1': 'aarch64-linux-gnu' };

/** Follows links as a machine would whose root folder that is. @returns {string|undefined} path here */
export function resolveIn(root, path) {
  let left = path.split('/').filter(Boolean);
  let at = '/';
  for (let steps = 0; left.length > 0; steps++) {
    if (steps > 200) return undefined;
    const [name, ...rest] = left;
    const next = posix.join(at, name);
    const status = lstatSync(join(root, next), { throwIfNoEntry: false });
    if (!status) return undefined;
    if (status.isSymbolicLink()) {
      const target = posix.resolve(at, readlinkSync(join(root, next)));
      [left, at] = [[...target.split('/').filter(Boolean), ...rest], '/'];
    } else [left, at] = [rest, next];
  }
  return join(root, at);
}

/** Absolute path of a program by one of its names, or undefined. */
export function findProgram(root, ...names) {
  const folders = root === '/' ? [...new Set([...(process.env.PATH ?? '').split(':'), ...FOLDERS])] : FOLDERS;
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => resolveIn(root, path));
}

/**
 * Files to put into an image, by their path in it. Links are followed: a library is there under the name it is asked for by.
 *
 * @param {Record<string, string>} programs path in the image → absolute path here
 * @param {string} root where their libraries are: `/`, or the folder of another machine's files
 * @returns {Map<string, {mode: number, content: Buffer}>}
 */
export function collectPrograms(programs, root = '/') {
  const files = new Map();
  const add = (path, source, folders) => {
    if (files.has(path)) return;
    const content = readFileSync(source);
    files.set(path, { mode: 0o755, content });
    const { interpreter, needed = [], paths = [] } = readElf(content) ?? {};
    const search = folders ?? searchFolders(root, interpreter);
    const own = paths.map((text) => text.replace(/\$(ORIGIN|\{ORIGIN\})/, dirname(path)));
    if (interpreter) add(interpreter, found(root, [dirname(interpreter)], interpreter, path).source, search);
    for (const name of needed) {
      const library = found(root, [...own, ...search], name, path);
      add(library.path, library.source, search);
    }
    for (const plugin of /xtables/.test(source) ? pluginsOf(root, search) : []) {
      add(plugin, resolveIn(root, plugin), search);
    }
    // The C library loads these by name when a program looks up a host; since glibc 2.34 they are part of it.
    if (/\/libc\.so\.6$/.test(path)) {
      for (const name of ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']) {
        const at = resolveIn(root, join(dirname(path), name));
        if (at) add(join(dirname(path), name), at, search);
      }
    }
  };
  for (const [path, source] of Object.entries(programs)) add(path, source);
  return files;
}

function found(root, folders, name, by) {
  for (const folder of folders) {
    const path = join(folder, posix.basename(name));
    const source = resolveIn(root, path);
    if (source) return { path, source };
  }
  throw new Error(`${by} needs ${name}, which this machine has not got`);
}

function searchFolders(root, interpreter = '') {
  const triplet = TRIPLETS[posix.basename(interpreter)];
  const usual = ['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];
  const named = ['/lib', '/usr/lib', '/usr/local/lib'].map((folder) => join(folder, triplet ?? ''));
  return [...(triplet ? named : []), ...usual, ...configured(root, '/etc/ld.so.conf')];
}

/** Folders that a machine names beside the usual ones. */
function configured(root, file) {
  const path = resolveIn(root, file);
  if (!path) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .flatMap((line) => {
      if (line.startsWith('/')) return [line];
      const included = /^include\s+(\S+)\/\*\.conf$/.exec(line)?.[1];
      const folder = included && resolveIn(root, included);
      const names = folder && existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.conf')) : [];
      return names.sort().flatMap((name) => configured(root, join(included, name)));
    });
}

/** iptables loads a file for each of its matches and targets, from below /usr even where /lib is the same. */
function pluginsOf(root, folders) {
  const ordered = [...folders].sort((a, b) => Number(b.startsWith('/usr/')) - Number(a.startsWith('/usr/')));
  const folder = ordered.map((base) => join(base, 'xtables')).find((path) => resolveIn(root, path));
  const names = folder ? readdirSync(resolveIn(root, folder)).filter((name) => name.endsWith('.so')) : [];
  return names.map((name) => join(folder, name));
}
